-- Makes a code good again that a try spent for something that then failed through no fault of the user, unless a new one came.
-- KEYS: code    ARGV: id of the code
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] or redis.call('HDEL', KEYS[1], 'spent') == 0 then return 0 end
local code = redis.call('HMGET', KEYS[1], 'path', 'places')
count_code(code[1], code[2], 'entered', -1)
return 1
