-- Compares and spends a code in one step.
-- KEYS: code, guesses of the account
-- ARGV: now, mac, guesses of an account before it is locked, lock in ms, life of the count in ms
-- Answers {outcome, ...}: spent {expires, left, id, block, funnel} | wrong {guesses} | invalid | locked {ms left}.
local now = tonumber(ARGV[1])
local code = redis.call('HMGET', KEYS[1], 'mac', 'expires', 'left', 'id', 'block', 'funnel')
local live = code[1] and tonumber(code[2]) > now
local locked_until = tonumber(redis.call('HGET', KEYS[2], 'locked_until') or '0')
-- A dead code answers like a wrong one, also while the account is locked.
if live and tonumber(code[3]) <= 0 then return {'invalid'} end
if locked_until > now then return {'locked', tostring(locked_until - now)} end
if not live then return {'invalid'} end
if code[1] == ARGV[2] then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HINCRBY', code[6], code[5] .. ':entered', 1)
  return {'spent', code[2], code[3], code[4], code[5], code[6]}
end
redis.call('HINCRBY', KEYS[1], 'left', -1)
local count = redis.call('HINCRBY', KEYS[2], 'count', 1)
if count >= tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[2], 'count', 0, 'locked_until', string.format('%.0f', now + tonumber(ARGV[4])))
end
redis.call('PEXPIRE', KEYS[2], math.max(tonumber(ARGV[5]), tonumber(ARGV[4])))
return {'wrong', tostring(count)}
