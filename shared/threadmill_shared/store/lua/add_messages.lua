-- Add messages to a thread that no run holds; creates the thread if that is wanted.
--
-- keys: thread request
-- args: bucket thread_id create metadata tool_resources key requested
-- rest: (message id, message)*
--
-- What a client's request creates is the thread if `create` is 1, else the first message.
-- replies: {ok | again | same, last position, server time in ms, the id of what the request has created}; `same`:
--   an earlier try of it has
-- refusals: {no_thread}, {locked, the run that holds the thread}, {mismatch, what the request's key belongs to}
-- include: clock items indexes list_thread client_requests
local known = redis.call('HMGET', thread, 'created_at', 'head', 'last')
if not known[1] and create ~= '1' then
  return {'no_thread'}
end
local now, made = clock(), create == '1' and thread_id or rest[1]
-- A late repeat does not bring back what was deleted since.
if known[1] and #rest > 0 and (redis.call('ZSCORE', bucket .. 'messages:' .. thread_id, rest[1])
    or redis.call('EXISTS', bucket .. 'deleted:' .. thread_id .. ':' .. rest[1]) == 1) then
  return {'again', tonumber(known[3] or '0'), now, made}
end
-- Nobody has changed the thread, written into it or let something run on it.
local function is_unused(id)
  local found = redis.call('HMGET', bucket .. 'thread:' .. id, 'created_at', 'last', 'metadata', 'tool_resources')
  return found[1] and (found[2] or '0') + 0 == #rest / 2 and (found[3] or '') == metadata
    and (found[4] or '') == tool_resources and redis.call('EXISTS', bucket .. 'runs:' .. id) == 0
end

local outcome, found, at = find_requested(request, requested, made, now, is_unused)
if outcome == 'mismatch' then
  return {outcome, found}
elseif outcome then
  return {outcome, tonumber(known[3] or '0'), at, found}
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
note_requested(request, requested, made, now, now)
return {'ok', tonumber(redis.call('HGET', thread, 'last') or '0'), now, made}
