-- Makes a code good again that this try may have spent without anybody hearing of it.    KEYS: code    ARGV: id of the try
local code = redis.call('HMGET', KEYS[1], 'spent', 'block', 'funnel')
if code[1] ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'spent')
if code[2] ~= '' then redis.call('HINCRBY', code[3], code[2] .. ':entered', -1) end
return 1
