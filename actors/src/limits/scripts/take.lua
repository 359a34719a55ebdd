-- Adds one to each of several logs, or to none.
-- KEYS: logs    ARGV: now, id, then limit and window of each log. Answers {granted, which log, remaining, reset}.
-- Granted: what is left of the first log. Refused: which log is full, and until when.
local now, id = tonumber(ARGV[1]), ARGV[2]
local first_left = 0
for i = 1, #KEYS do
  local left, reset = look(KEYS[i], tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i]), now)
  if left <= 0 then return {0, i, 0, reset} end
  if i == 1 then first_left = left - 1 end
end
for i = 1, #KEYS do
  note(KEYS[i], tonumber(ARGV[2 + 2 * i]), now, id)
end
local reset = 0
if first_left == 0 then
  local _, free = look(KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4]), now)
  reset = free
end
return {1, 1, first_left, reset}
