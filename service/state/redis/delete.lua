-- Removes everything of a run; returns whether it existed.
--
-- KEYS: head, records, answers, answer_steps, open_steps; entries of steps are in the same slot.
local open_steps = KEYS[5]
for _, open in ipairs(redis.call('ZRANGE', open_steps, 0, -1)) do
  redis.call('DEL', open_steps .. ':' .. open)
end
local existed = redis.call('DEL', KEYS[1])
redis.call('DEL', unpack(KEYS, 2))
return existed
