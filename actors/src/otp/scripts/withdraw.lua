-- Takes back a code that could not be sent, and gives its budget back.
-- KEYS: code, phone log, address log    ARGV: code id, path, places
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('HGET', KEYS[1], 'id') == ARGV[1] then
  redis.call('DEL', KEYS[1])
  count_code(ARGV[2], ARGV[3], 'sent', -1)
end
return 1
