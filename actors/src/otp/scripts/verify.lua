-- Compares and spends a code in one step.
-- KEYS: code, lock of the account, failures from the address
-- ARGV: now, mac, failures of an account before it is locked, lengths of locks, life of the count in ms, whose guesses these
-- are, guesses, id of this one, limit and window of the address
-- Answers {outcome, ...}: spent {failures so far, expires, left, id, block, funnel} | wrong {lock begun, ms} | invalid
-- | locked {ms left} | address {ms until one more}.
-- A code has so many guesses for strangers and as many for each known device, so that strangers cannot use it up.
local now = tonumber(ARGV[1])
local address_left, address_reset = look(KEYS[3], tonumber(ARGV[9]), tonumber(ARGV[10]), now)
if address_left <= 0 then return {'address', tostring(address_reset)} end
local code = redis.call('HMGET', KEYS[1], 'mac', 'expires', 'left', 'id', 'block', 'funnel', ARGV[6])
local live = code[1] and tonumber(code[2]) > now
local locked = locked_for(KEYS[2], now)
local right = live and tonumber(code[7] or ARGV[7]) > 0 and locked == 0 and code[1] == ARGV[2]
if not right then note(KEYS[3], tonumber(ARGV[10]), now, ARGV[8]) end
-- A dead code answers like a wrong one, also while the account is locked.
if live and tonumber(code[7] or ARGV[7]) <= 0 then return {'invalid'} end
if locked > 0 then return {'locked', tostring(locked)} end
if not live then return {'invalid'} end
if right then
  redis.call('DEL', KEYS[1])
  if code[5] ~= '' then redis.call('HINCRBY', code[6], code[5] .. ':entered', 1) end
  local failed = redis.call('HGET', KEYS[2], 'failed') or '0'
  return {'spent', failed, code[2], code[3], code[4], code[5], code[6]}
end
redis.call('HSET', KEYS[1], ARGV[6], tonumber(code[7] or ARGV[7]) - 1)
local lock = count_failure(KEYS[2], now, tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]))
return {'wrong', string.format('%.0f', lock)}
