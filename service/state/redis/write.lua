-- Changes a run whole or not at all; returns 1 if it did, 0 if the run has moved on.
--
-- KEYS: head, records, answers, answer_steps, open_steps; every other key is named from the last
-- and a step, in the same slot.
-- ARGV: as `RedisStore.write` gives them; the answers come last, one for each part of the step.
local head, records, answers, answer_steps, open_steps = unpack(KEYS)
local schema, expected, gathered, forget_after = unpack(ARGV, 1, 4)
local generation, version, step, document, created_at, updated_at = unpack(ARGV, 5, 10)
local record, keep_records, keep_answers, expire_ms = unpack(ARGV, 11, 14)
local FIRST_ANSWER = 15

local found = redis.call('HMGET', head, 'schema', 'generation', 'version')
if found[1] and found[1] ~= schema then
  return redis.error_reply('SCHEMA ' .. found[1])
end
local mark = found[1] and (found[2] .. ' ' .. found[3]) or ''
-- One field of what is gathered holds the terms.
local entries = math.max(redis.call('HLEN', open_steps .. ':' .. step) - 1, 0)
if mark ~= expected or (forget_after == '' and entries ~= tonumber(gathered)) then
  return 0
end

redis.call('HSET', head, 'schema', schema, 'generation', generation, 'version', version,
  'step', step, 'document', document, 'created_at', created_at, 'updated_at', updated_at)

local function close(until_step)
  for _, open in ipairs(redis.call('ZRANGEBYSCORE', open_steps, '-inf', until_step)) do
    redis.call('DEL', open_steps .. ':' .. open)
  end
  redis.call('ZREMRANGEBYSCORE', open_steps, '-inf', until_step)
end

local function drop_answers(from, to)
  for _, field in ipairs(redis.call('ZRANGEBYSCORE', answer_steps, from, to)) do
    redis.call('HDEL', answers, field)
  end
  redis.call('ZREMRANGEBYSCORE', answer_steps, from, to)
end

if forget_after ~= '' then
  close('+inf')
  drop_answers('(' .. forget_after, '+inf')
  redis.call('ZREMRANGEBYSCORE', records, '(' .. forget_after, '+inf')
else
  close(step)
end

if record ~= '' then
  redis.call('ZADD', records, step, record)
end
for i = FIRST_ANSWER, #ARGV do
  local field = step .. ':' .. (i - FIRST_ANSWER)
  redis.call('HSET', answers, field, ARGV[i])
  redis.call('ZADD', answer_steps, step, field)
end
redis.call('PEXPIRE', answers, expire_ms)
redis.call('PEXPIRE', answer_steps, expire_ms)

local oldest = redis.call('ZREVRANGE', records, keep_answers, keep_answers, 'WITHSCORES')
if oldest[2] then
  drop_answers('-inf', oldest[2])
end
redis.call('ZREMRANGEBYRANK', records, 0, -1 - keep_records)
return 1
