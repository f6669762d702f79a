-- ARGV: now, table, how many at most. Answers how many records went.
local ended = redis.call('ZRANGEBYSCORE', index(ARGV[2]), '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, key in ipairs(ended) do remove(ARGV[2], key) end
return #ended
