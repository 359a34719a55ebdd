-- Admits an attempt to log in, or says why not. An attempt counts as a failure until it is known not to be one, so that
-- many at once are not more than allowed one after the other. Where only what is in hand stands in the way, the answer is
-- busy: it may yet turn out to be no failure.
-- KEYS: lock, attempts in hand, log of the account, log of the address, attempts in hand of the address, log of all attempts
-- of the account, log of all attempts of the address
-- ARGV: now, id, attempts before the lock, patience, then limit and window of each log
-- Answers {outcome, remaining, wait}: ok | locked | limited | address | many | address_many | busy.
local now, id, attempts, patience = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
-- What was in hand when a process died is let go after a while.
local function in_hand(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - patience)
  return redis.call('ZCARD', key)
end
local function see(log)
  return look(KEYS[log[1]], tonumber(ARGV[log[2]]), tonumber(ARGV[log[2] + 1]), now)
end
local account, address, all, address_all = {3, 5}, {4, 7}, {6, 9}, {7, 11}
local function enter(log)
  note(KEYS[log[1]], tonumber(ARGV[log[2] + 1]), now, id)
end
local address_left, address_reset = see(address)
if address_left <= 0 then
  if address_left + in_hand(KEYS[5]) > 0 then return {'busy', 0, 1000} end
  return {'address', 0, address_reset}
end
local locked = locked_for(KEYS[1], now)
if locked > 0 then
  -- Counted, so that one address cannot knock at locked doors for ever.
  enter(address)
  return {'locked', 0, locked}
end
local left, reset = see(account)
local here = in_hand(KEYS[2])
if left <= 0 then
  if left + here > 0 then return {'busy', 0, 1000} end
  return {'limited', 0, reset}
end
local failed = tonumber(redis.call('HGET', KEYS[1], 'failed') or '0')
if failed + here >= attempts then return {'busy', 0, 1000} end
local all_left, all_reset = see(all)
if all_left <= 0 then return {'many', 0, all_reset} end
local address_all_left, address_all_reset = see(address_all)
if address_all_left <= 0 then return {'address_many', 0, address_all_reset} end
for _, key in ipairs({KEYS[2], KEYS[5]}) do
  redis.call('ZADD', key, now, id)
  redis.call('PEXPIRE', key, patience)
end
for _, log in ipairs({account, address, all, address_all}) do enter(log) end
if left == 1 then reset = select(2, see(account)) end
return {'ok', left - 1, reset}
