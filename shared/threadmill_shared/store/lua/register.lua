-- A worker registers, for the first time or again. `known` are the registrations that it may have, one
-- a line: the one that was confirmed last, if any, and those whose answers it never had.
--
-- If no worker is registered that keeps the indexes of lists, nobody would have noticed one that keeps none:
-- this is noted as a doubt, as the first such worker registers.
--
-- keys: alive lease tools indexing
-- args: worker known registration lease_ms tools_ms
-- rest: the tools that it can execute
--
-- replies: {ok}
-- refusals: {buried}: it was declared dead, and its runs were reassigned
-- include: none
local found = redis.call('HGET', alive, worker)
local is_known = found == registration
for one in string.gmatch(known, '[^\n]+') do
  is_known = is_known or found == one
end
if known ~= '' and not is_known then
  return {'buried'}
end
-- First a write that a full store allows, which then lets the others through.
redis.call('PEXPIRE', lease, lease_ms)
local is_watched = false
for _, one in ipairs(redis.call('HGETALL', alive)) do
  is_watched = is_watched or string.find(one, '"keeps_indexes":true', 1, true)
end
if not is_watched then
  redis.call('HSET', indexing, 'is_doubted', 1)
end
redis.call('HSET', alive, worker, registration)
redis.call('SET', lease, 1, 'PX', lease_ms)
for i = 1, #rest do
  redis.call('SADD', tools, rest[i])
end
redis.call('PEXPIRE', tools, tools_ms)
return {'ok'}
