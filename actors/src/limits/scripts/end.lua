-- Ends an attempt, once: asked to for a second time, it does nothing.
-- KEYS: lock, attempts in hand, log of the account, log of the address, attempts in hand of the address
-- ARGV: now, id, outcome (failed | passed | succeeded), attempts before the lock, lengths of locks, memory
-- A passed attempt is no failure, but forgives none either: more steps follow. Answers how long the lock holds that began.
local now, id, outcome = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local in_hand = redis.call('ZREM', KEYS[2], id)
redis.call('ZREM', KEYS[5], id)
if in_hand == 0 then return 0 end
if outcome == 'failed' then
  return count_failure(KEYS[1], now, tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]))
end
redis.call('ZREM', KEYS[3], id)
redis.call('ZREM', KEYS[4], id)
if outcome == 'succeeded' then redis.call('DEL', KEYS[1]) end
return 0
