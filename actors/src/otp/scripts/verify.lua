-- Compares and spends a code in one step.
-- KEYS: code, lock of the account
-- ARGV: now, mac, failures of an account before it is locked, lengths of locks, life of the count in ms
-- Answers {outcome, ...}: spent {failures so far, expires, left, id, block, funnel} | wrong {lock begun, ms} | invalid
-- | locked {ms left}.
local now = tonumber(ARGV[1])
local code = redis.call('HMGET', KEYS[1], 'mac', 'expires', 'left', 'id', 'block', 'funnel')
local live = code[1] and tonumber(code[2]) > now
local locked = locked_for(KEYS[2], now)
-- A dead code answers like a wrong one, also while the account is locked.
if live and tonumber(code[3]) <= 0 then return {'invalid'} end
if locked > 0 then return {'locked', tostring(locked)} end
if not live then return {'invalid'} end
if code[1] == ARGV[2] then
  redis.call('DEL', KEYS[1])
  if code[5] ~= '' then redis.call('HINCRBY', code[6], code[5] .. ':entered', 1) end
  local failed = redis.call('HGET', KEYS[2], 'failed') or '0'
  return {'spent', failed, code[2], code[3], code[4], code[5], code[6]}
end
redis.call('HINCRBY', KEYS[1], 'left', -1)
local lock = count_failure(KEYS[2], now, tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]))
return {'wrong', string.format('%.0f', lock)}
