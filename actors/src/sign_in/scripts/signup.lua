-- Keeps what somebody signs up with until the phone is verified. Two different claims to one phone at once are contested:
-- whoever verifies it then gets nothing of either.
-- KEYS: signup    ARGV: the claim that was there when this one was judged, whether it is the same one, the id of this one,
-- state, life in milliseconds
local known = redis.call('HGET', KEYS[1], 'claim') or ''
if known ~= ARGV[1] or ARGV[2] ~= '1' then redis.call('HSET', KEYS[1], 'contested', '1') end
redis.call('HSET', KEYS[1], 'claim', ARGV[3], 'state', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
