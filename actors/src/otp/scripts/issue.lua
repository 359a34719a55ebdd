-- Checks both budgets and stores a code, or stores nothing.
-- KEYS: code, phone log, address log, funnel of this time of issue
-- ARGV: now, mac, expires at, code id, guesses, block, phone limit, phone window, address limit, address window, funnel life
-- An empty block: the code is not counted in the funnel.
-- All times and lengths in milliseconds. Answers {granted, which limit, remaining, reset}.
local now = tonumber(ARGV[1])
local phone_limit, phone_window = tonumber(ARGV[7]), tonumber(ARGV[8])
local address_limit, address_window = tonumber(ARGV[9]), tonumber(ARGV[10])
local phone_left, phone_reset = look(KEYS[2], phone_limit, phone_window, now)
if phone_left <= 0 then return {0, 'phone', 0, phone_reset} end
local address_left, address_reset = look(KEYS[3], address_limit, address_window, now)
if address_left <= 0 then return {0, 'address', 0, address_reset} end
note(KEYS[2], phone_window, now, ARGV[4])
note(KEYS[3], address_window, now, ARGV[4])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'mac', ARGV[2], 'expires', ARGV[3], 'id', ARGV[4], 'left', ARGV[5], 'block', ARGV[6],
  'funnel', KEYS[4])
redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(ARGV[3]) - now))
if ARGV[6] ~= '' then
  redis.call('HINCRBY', KEYS[4], ARGV[6] .. ':sent', 1)
  redis.call('PEXPIRE', KEYS[4], ARGV[11])
end
local left = phone_left - 1
local reset = 0
if left == 0 then
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  reset = tonumber(oldest[2]) + phone_window - now
end
return {1, 'phone', left, reset}
