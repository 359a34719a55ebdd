-- Makes a code good again that this try may have spent without anybody hearing of it.    KEYS: code    ARGV: id of the try
local code = redis.call('HMGET', KEYS[1], 'spent', 'path', 'places')
if code[1] ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'spent')
count_code(code[2], code[3], 'entered', -1)
return 1
