-- Admits an attempt to log in, or says why not. An attempt counts as a failure until it is known not to be one, so that
-- many at once are not more than allowed one after the other.
-- KEYS: lock, attempts in hand, log of the account, log of the address
-- ARGV: now, id, attempts before the lock, patience, limit and window of the account, limit and window of the address
-- Answers {outcome, remaining, wait}: ok | locked | limited | address | busy.
local now, id, attempts = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local address_left, address_reset = look(KEYS[4], tonumber(ARGV[7]), tonumber(ARGV[8]), now)
if address_left <= 0 then return {'address', 0, address_reset} end
local locked = locked_for(KEYS[1], now)
if locked > 0 then
  -- Counted, so that one address cannot knock at locked doors for ever.
  note(KEYS[4], tonumber(ARGV[8]), now, id)
  return {'locked', 0, locked}
end
local left, reset = look(KEYS[3], tonumber(ARGV[5]), tonumber(ARGV[6]), now)
if left <= 0 then return {'limited', 0, reset} end
-- What was in hand when a process died is let go after a while.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[4]))
local failed = tonumber(redis.call('HGET', KEYS[1], 'failed') or '0')
if failed + redis.call('ZCARD', KEYS[2]) >= attempts then return {'busy', 0, 1000} end
redis.call('ZADD', KEYS[2], now, id)
redis.call('PEXPIRE', KEYS[2], ARGV[4])
note(KEYS[3], tonumber(ARGV[6]), now, id)
note(KEYS[4], tonumber(ARGV[8]), now, id)
if left == 1 then reset = select(2, look(KEYS[3], tonumber(ARGV[5]), tonumber(ARGV[6]), now)) end
return {'ok', left - 1, reset}
