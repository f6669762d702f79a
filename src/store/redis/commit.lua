-- ARGV: now, the batch's id, how long that is remembered (ms), then the steps:
--   'E', table, key, '1' or '0', value     expect this value, or none
--   'P', table, key, record, expiry, ttl   put (ttl in ms, '' for none)
--   'D', table, key                        delete
-- Answers 1 if the batch was applied, by this call or by an earlier one of the same id, and 0 for a conflict.
local now = tonumber(ARGV[1])
local applied = base .. 'c:' .. ARGV[2]
if redis.call('EXISTS', applied) == 1 then return 1 end

local deleted, changes, at = {}, 0, 4
while at <= #ARGV do
  local step, table, key = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if step == 'E' then
    local value = live(table, key, now)
    local expected = nil
    if ARGV[at + 3] == '1' then expected = ARGV[at + 4] end
    if value ~= expected then return 0 end
    at = at + 5
  elseif step == 'P' then
    changes = changes + 1
    at = at + 6
  else
    changes = changes + 1
    if table == 'grant' then deleted[#deleted + 1] = key end
    at = at + 3
  end
end
if changes == 0 then return 1 end

-- What a full or restricted server refuses comes first: then nothing was changed.
redis.call('SET', applied, '1', 'PX', ARGV[3])
for _, key in ipairs(deleted) do
  redis.call('XADD', base .. 'e', 'MAXLEN', '~', DELETIONS, '*', 'k', key)
end

at = 4
while at <= #ARGV do
  local step, table, key = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if step == 'E' then
    at = at + 5
  elseif step == 'P' then
    local blob, expires, ttl = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
    remove(table, key)
    if ttl == '' then
      redis.call('SET', record(table, key), blob)
    else
      redis.call('SET', record(table, key), blob, 'PX', ttl)
    end
    add(index(table), expires, key, ttl)
    local _, terms = open(blob)
    for _, term in ipairs(terms) do add(found_by(table, term), expires, key, ttl) end
    at = at + 6
  else
    remove(table, key)
    at = at + 3
  end
end
return 1
