-- Notes that the answer to a spent code did not reach anybody, unless a new code came.
-- KEYS: code    ARGV: id of the code
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'spent') == 0 then return 0 end
redis.call('HSET', KEYS[1], 'lost', '1')
return 1
