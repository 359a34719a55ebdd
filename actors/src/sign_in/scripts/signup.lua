-- Keeps what somebody signs up with until its code is spent or expires, beside what others signed up with for the same phone.
-- KEYS: signup    ARGV: the id of the code, state, life in milliseconds
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
