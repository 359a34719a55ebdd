-- Counts a code as sent or entered, or takes that back: in the funnel of its time of issue by its path (block and address), and
-- at the three origins that asked for it. `places` are the bucket, the funnel's key and the origins' keys, separated by spaces.
local function count_code(path, places, what, by)
  if not path or path == '' then return end
  local keys = {}
  for key in string.gmatch(places, '%S+') do keys[#keys + 1] = key end
  redis.call('HINCRBY', keys[2], path .. ':' .. what, by)
  for i = 3, #keys do redis.call('HINCRBY', keys[i], keys[1] .. ':' .. what, by) end
end
