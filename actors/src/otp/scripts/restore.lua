-- Puts back a code that was spent for a login that then failed through no fault of the user, unless a new one came.
-- KEYS: code    ARGV: now, mac, expires, left, id, block, funnel
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local life = tonumber(ARGV[3]) - tonumber(ARGV[1])
if life <= 0 then return 0 end
redis.call('HSET', KEYS[1], 'mac', ARGV[2], 'expires', ARGV[3], 'left', ARGV[4], 'id', ARGV[5], 'block', ARGV[6],
  'funnel', ARGV[7])
redis.call('PEXPIRE', KEYS[1], life)
if ARGV[6] ~= '' then redis.call('HINCRBY', ARGV[7], ARGV[6] .. ':entered', -1) end
return 1
