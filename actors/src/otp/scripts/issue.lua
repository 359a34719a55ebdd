-- Checks both budgets and stores a code, or stores nothing.
-- KEYS: code, phone log, address log, funnel of this time of issue
-- ARGV: now, mac, expires at, code id, guesses, block, phone limit, phone window, address limit, address window, funnel life
-- All times and lengths in milliseconds. Answers {granted, which limit, remaining, reset}.
local now = tonumber(ARGV[1])
local function look(key, limit, window)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local used = redis.call('ZCARD', key)
  local reset = 0
  if used >= limit then
    local oldest = redis.call('ZRANGE', key, used - limit, used - limit, 'WITHSCORES')
    reset = tonumber(oldest[2]) + window - now
  end
  return limit - used, reset
end
local phone_limit, phone_window = tonumber(ARGV[7]), tonumber(ARGV[8])
local address_limit, address_window = tonumber(ARGV[9]), tonumber(ARGV[10])
local phone_left, phone_reset = look(KEYS[2], phone_limit, phone_window)
if phone_left <= 0 then return {0, 'phone', 0, phone_reset} end
local address_left, address_reset = look(KEYS[3], address_limit, address_window)
if address_left <= 0 then return {0, 'address', 0, address_reset} end
redis.call('ZADD', KEYS[2], now, ARGV[4])
redis.call('PEXPIRE', KEYS[2], phone_window)
redis.call('ZADD', KEYS[3], now, ARGV[4])
redis.call('PEXPIRE', KEYS[3], address_window)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'mac', ARGV[2], 'expires', ARGV[3], 'id', ARGV[4], 'left', ARGV[5], 'block', ARGV[6],
  'funnel', KEYS[4])
redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(ARGV[3]) - now))
redis.call('HINCRBY', KEYS[4], ARGV[6] .. ':sent', 1)
redis.call('PEXPIRE', KEYS[4], ARGV[11])
local left = phone_left - 1
local reset = 0
if left == 0 then
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  reset = tonumber(oldest[2]) + phone_window - now
end
return {1, 'phone', left, reset}
