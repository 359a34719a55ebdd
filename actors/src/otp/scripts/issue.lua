-- Checks both budgets and stores a code, or stores nothing.
-- KEYS: code, phone log, address log
-- ARGV: now, mac, expires at, code id, guesses, path, phone limit, phone window, address limit, address window, life of
-- counters, places, first bucket that origins remember
-- An empty path (ARGV 6): the code is not counted by the breaker.
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
redis.call('HSET', KEYS[1], 'mac', ARGV[2], 'expires', ARGV[3], 'id', ARGV[4], 'left', ARGV[5], 'path', ARGV[6],
  'places', ARGV[12])
redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(ARGV[3]) - now))
if ARGV[6] ~= '' then
  count_code(ARGV[6], ARGV[12], 'sent', 1)
  local number = 0
  for key in string.gmatch(ARGV[12], '%S+') do
    number = number + 1
    if number > 1 then redis.call('PEXPIRE', key, ARGV[11]) end
    if number > 2 then
      for _, field in ipairs(redis.call('HKEYS', key)) do
        if tonumber(string.match(field, '^%d+')) < tonumber(ARGV[13]) then redis.call('HDEL', key, field) end
      end
    end
  end
end
local left = phone_left - 1
local reset = 0
if left == 0 then
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  reset = tonumber(oldest[2]) + phone_window - now
end
return {1, 'phone', left, reset}
