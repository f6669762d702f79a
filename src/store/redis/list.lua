-- ARGV: now, table. Answers key, record, key, record, …
local found = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', index(ARGV[2]), '(' .. ARGV[1], '+inf')) do
  local blob = redis.call('GET', record(ARGV[2], key))
  if blob then
    found[#found + 1] = key
    found[#found + 1] = blob
  end
end
return found
