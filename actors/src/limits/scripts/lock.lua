-- How long a lock still holds, in milliseconds; 0 if it does not.
local function locked_for(key, now)
  return math.max(0, tonumber(redis.call('HGET', key, 'locked_until') or '0') - now)
end
-- Counts a failure, and locks when it was one too many. `lengths` are the lengths of the first lock, the second, and so on,
-- separated by commas. Answers how long the lock holds that this failure began; 0 if it began none.
local function count_failure(key, now, attempts, lengths, memory)
  local lock = 0
  if redis.call('HINCRBY', key, 'failed', 1) >= attempts then
    local level = redis.call('HINCRBY', key, 'level', 1)
    for length in string.gmatch(lengths, '%d+') do
      lock = tonumber(length)
      level = level - 1
      if level <= 0 then break end
    end
    redis.call('HSET', key, 'failed', 0, 'locked_until', string.format('%.0f', now + lock))
  end
  local left = locked_for(key, now)
  redis.call('PEXPIRE', key, left + memory)
  return lock
end
