-- Reads a run at one instant: its head, one answer, and how many entries a step has gathered.
--
-- KEYS: head, answers, and the entries of the step. ARGV: the field of the answer.
-- Between two commands a step could be taken and its answer missed; unlike a transaction, a script
-- may also read while memory is short.
local entries = redis.call('HLEN', KEYS[3])
-- One field of what is gathered holds the terms.
return {redis.call('HGETALL', KEYS[1]), redis.call('HGET', KEYS[2], ARGV[1]), math.max(entries - 1, 0)}
