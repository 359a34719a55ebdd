-- Takes back a code that could not be sent, and gives its budget back.
-- KEYS: code, phone log, address log, funnel    ARGV: code id, block
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[1], 'id') == ARGV[1] then
  redis.call('DEL', KEYS[1])
  if ARGV[2] ~= '' then redis.call('HINCRBY', KEYS[4], ARGV[2] .. ':sent', -1) end
end
return 1
