-- Compares and spends a code in one step.
-- KEYS: code, lock of the account, failures from the address
-- ARGV: now, mac, failures of an account before it is locked, lengths of locks, life of the count in ms, whose guesses these
-- are, guesses, id of this try, limit and window of the address, whether a spent code may be answered again, mac by the hash
-- key before this one or ''
-- Answers {outcome, ...}: spent {failures so far, id} | again {failures so far, id, whether its answer was lost}
-- | wrong {lock begun, ms} | invalid | locked {ms left} | address {ms until one more}.
-- A code has so many guesses for strangers and as many for each known device, so that strangers cannot use it up.
-- A spent code is kept until it expires, so that who lost the answer to it can ask again; the same try made again is the same.
local now = tonumber(ARGV[1])
local code = redis.call('HMGET', KEYS[1], 'mac', 'expires', 'left', 'id', 'path', 'places', ARGV[6], 'spent', 'lost')
local there = code[1] and tonumber(code[2]) > now
local failed = redis.call('HGET', KEYS[2], 'failed') or '0'
if there and code[8] == ARGV[8] then return {'spent', failed, code[4]} end
if redis.call('ZSCORE', KEYS[3], ARGV[8]) then
  -- This try was counted, and nobody heard of it.
  local locked = locked_for(KEYS[2], now)
  if locked > 0 then return {'locked', tostring(locked)} end
  return {'wrong', '0'}
end
local address_left, address_reset = look(KEYS[3], tonumber(ARGV[9]), tonumber(ARGV[10]), now)
if address_left <= 0 then return {'address', tostring(address_reset)} end
local locked = locked_for(KEYS[2], now)
local same = code[1] == ARGV[2] or code[1] == ARGV[12]
local right = there and tonumber(code[7] or ARGV[7]) > 0 and locked == 0 and same
if not right then note(KEYS[3], tonumber(ARGV[10]), now, ARGV[8]) end
-- A dead code answers like a wrong one, also while the account is locked.
if there and not code[8] and tonumber(code[7] or ARGV[7]) <= 0 then return {'invalid'} end
if locked > 0 then return {'locked', tostring(locked)} end
if not there then return {'invalid'} end
if code[8] then
  -- Guessing at a spent code locks nobody out, but has its bound too.
  if not right then
    redis.call('HSET', KEYS[1], ARGV[6], tonumber(code[7] or ARGV[7]) - 1)
    return {'invalid'}
  end
  if ARGV[11] ~= '1' then return {'invalid'} end
  redis.call('HDEL', KEYS[1], 'lost')
  return {'again', failed, code[4], code[9] or ''}
end
if right then
  redis.call('HSET', KEYS[1], 'spent', ARGV[8])
  count_code(code[5], code[6], 'entered', 1)
  return {'spent', failed, code[4]}
end
redis.call('HSET', KEYS[1], ARGV[6], tonumber(code[7] or ARGV[7]) - 1)
local lock = count_failure(KEYS[2], now, tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]))
return {'wrong', string.format('%.0f', lock)}
