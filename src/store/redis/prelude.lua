-- What all scripts share. KEYS[1] begins every key; it holds the hash tag, so that a cluster keeps them in one slot.
-- Other keys are made from it here: which terms a record had is known to the record alone.
--
--   …r:TABLE:KEY    a record: format, expiry, terms, value
--   …i:TABLE        the keys of a table by expiry
--   …t:TABLE:TERM   the keys that were put with a term, by expiry
--   …c:ID           a batch that was applied, for a while
--   …e              which grants were deleted lately (a stream)
local base = KEYS[1]
local FORMAT = 1
local DELETIONS = 10000

local function record(table, key) return base .. 'r:' .. table .. ':' .. key end
local function index(table) return base .. 'i:' .. table end
local function found_by(table, term) return base .. 't:' .. table .. ':' .. term end

-- Expiry, terms and value of a record.
local function open(blob)
  local format, expires, count, at = struct.unpack('>I1I8I4', blob)
  if format ~= FORMAT then error('a record of a newer version of vestibule') end
  local terms = {}
  for number = 1, count do
    terms[number], at = struct.unpack('>I4c0', blob, at)
  end
  return expires, terms, string.sub(blob, at)
end

-- The value that is under a key at this time, or nil.
local function live(table, key, now)
  local blob = redis.call('GET', record(table, key))
  if not blob then return nil end
  local expires, _, value = open(blob)
  if expires > now then return value end
  return nil
end

local function remove(table, key)
  local blob = redis.call('GET', record(table, key))
  if blob then
    local _, terms = open(blob)
    for _, term in ipairs(terms) do redis.call('ZREM', found_by(table, term), key) end
    redis.call('DEL', record(table, key))
  end
  redis.call('ZREM', index(table), key)
end

-- Adds to a set that ends with the last of its members; an empty time to live is none.
local function add(set, expires, key, ttl)
  local is_new = redis.call('EXISTS', set) == 0
  redis.call('ZADD', set, expires, key)
  if ttl == '' then
    redis.call('PERSIST', set)
  else
    local left = redis.call('PTTL', set)
    if is_new or (left >= 0 and left < tonumber(ttl)) then redis.call('PEXPIRE', set, ttl) end
  end
end
