-- Keeps entries of a step that is not complete, or, where anything stands in the way, none.
--
-- KEYS: head, open_steps, and the entries of the step; those of other steps are in the same slot.
-- ARGV: schema, step, terms, 'alone' or '', milliseconds to keep them, then key and payload in turns.
-- Returns kept, terms, open steps, number of entries, clashing keys, and the fields of the head.
local head, open_steps, entries = unpack(KEYS)
local schema, step, terms, alone, expire_ms = unpack(ARGV, 1, 5)
local FIRST_ENTRY = 6

local found = redis.call('HMGET', head, 'schema', 'step')
if found[1] and found[1] ~= schema then
  return redis.error_reply('SCHEMA ' .. found[1])
end
local taken = found[2] and tonumber(found[2]) >= tonumber(step)

local crowded = false
for _, open in ipairs(redis.call('ZRANGE', open_steps, 0, -1)) do
  if redis.call('EXISTS', open_steps .. ':' .. open) == 0 then
    redis.call('ZREM', open_steps, open)
  elseif alone ~= '' and open ~= step then
    crowded = true
  end
end

-- The field without a name holds the terms.
local agreed = redis.call('HGET', entries, '') or terms
local clashes = {}
for i = FIRST_ENTRY, #ARGV, 2 do
  local there = redis.call('HGET', entries, ARGV[i])
  if there and there ~= ARGV[i + 1] then
    clashes[#clashes + 1] = ARGV[i]
  end
end

local kept = 0
if not (taken or crowded or #clashes > 0 or agreed ~= terms) then
  kept = 1
  redis.call('HSET', entries, '', terms)
  for i = FIRST_ENTRY, #ARGV, 2 do
    redis.call('HSET', entries, ARGV[i], ARGV[i + 1])
  end
  redis.call('PEXPIRE', entries, expire_ms)
  redis.call('ZADD', open_steps, step, step)
end
return {kept, agreed, redis.call('ZRANGE', open_steps, 0, -1),
  math.max(redis.call('HLEN', entries) - 1, 0), clashes, redis.call('HGETALL', head)}
