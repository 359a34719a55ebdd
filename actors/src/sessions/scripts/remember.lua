-- Keeps the state of a session's refresh token for those who use the last one again, unless a newer state is known.
-- KEYS: refresh    ARGV: generation, state, life in milliseconds
local known = redis.call('HGET', KEYS[1], 'generation')
if known and tonumber(known) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'state', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
