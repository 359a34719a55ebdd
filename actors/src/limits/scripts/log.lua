-- Looks at a log of times: how many more fit into the window, and how long until one fits if none does.
local function look(key, limit, window, now)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
  local used = redis.call('ZCARD', key)
  local reset = 0
  if used >= limit then
    local oldest = redis.call('ZRANGE', key, used - limit, used - limit, 'WITHSCORES')
    reset = tonumber(oldest[2]) + window - now
  end
  return limit - used, reset
end
-- Adds one to a log.
local function note(key, window, now, id)
  redis.call('ZADD', key, now, id)
  redis.call('PEXPIRE', key, window)
end
