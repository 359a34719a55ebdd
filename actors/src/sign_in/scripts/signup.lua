-- Keeps what somebody signs up with until the phone is verified. Two different claims to one phone at once are contested:
-- whoever verifies it then gets neither's password.
-- KEYS: signup    ARGV: fingerprint of the password, state, life in milliseconds
local known = redis.call('HGET', KEYS[1], 'fingerprint')
if known and known ~= ARGV[1] then redis.call('HSET', KEYS[1], 'contested', '1') end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1], 'state', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
