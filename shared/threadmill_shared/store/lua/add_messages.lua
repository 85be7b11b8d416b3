-- Add messages to a thread that no run holds; creates the thread if that is wanted.
--
-- keys: thread
-- args: bucket thread_id create metadata tool_resources key
-- rest: (message id, message)*
--
-- replies: {ok | again, last position, server time in ms}
-- refusals: {no_thread}, {locked, the run that holds the thread}
-- include: clock items indexes list_thread
local known = redis.call('HMGET', thread, 'created_at', 'head', 'last')
if not known[1] and create ~= '1' then
  return {'no_thread'}
end
local now = clock()
-- A late repeat does not bring back what was deleted since.
if known[1] and #rest > 0 and (redis.call('ZSCORE', bucket .. 'messages:' .. thread_id, rest[1])
    or redis.call('EXISTS', bucket .. 'deleted:' .. thread_id .. ':' .. rest[1]) == 1) then
  return {'again', tonumber(known[3] or '0'), now}
end
if #rest > 0 and known[2] and known[2] ~= '' then
  return {'locked', known[2]}
end
redis.call('HSETNX', thread, 'created_at', now)
if not known[1] then
  redis.call('PERSIST', bucket .. 'attached:' .. thread_id)
end
if not known[1] and metadata ~= '' then
  redis.call('HSET', thread, 'metadata', metadata)
end
if not known[1] and tool_resources ~= '' then
  redis.call('HSET', thread, 'tool_resources', tool_resources)
end
if key ~= '' then
  redis.call('HSETNX', thread, 'key', key)
end
for i = 1, #rest, 2 do
  add_item(bucket, thread_id, rest[i], rest[i + 1], now)
end
list_thread(bucket, thread_id, now)
return {'ok', tonumber(redis.call('HGET', thread, 'last') or '0'), now}
