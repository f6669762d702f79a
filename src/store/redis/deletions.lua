-- ARGV: the position of the last one that was seen ('' if none was), how many at most.
-- Answers the new position, '1' if some may have been missed, and the keys.
local stream = base .. 'e'
local function parts(id)
  local time, number = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(time), tonumber(number)
end
local function is_before(one, other)
  local time, number = parts(one)
  local other_time, other_number = parts(other)
  return time < other_time or (time == other_time and number < other_number)
end
local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
local last = newest and newest[1] or '0-0'
if ARGV[1] == '' then return { last, '0' } end
-- The server was set back, or has forgotten more than was read.
if is_before(last, ARGV[1]) then return { last, '1' } end
if last == ARGV[1] then return { last, '0' } end
local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1]
local missed = ARGV[1] ~= '0-0' and is_before(ARGV[1], oldest)
local answer = { last, missed and '1' or '0' }
for _, entry in ipairs(redis.call('XRANGE', stream, '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  answer[1] = entry[1]
  answer[#answer + 1] = entry[2][2]
end
return answer
