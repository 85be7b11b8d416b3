-- Add a part of a conversation that was led elsewhere, with its own times; each message once.
--
-- keys: thread
-- args: bucket thread_id created_at metadata key
-- rest: (message id, item, time in ms)*
--
-- An item that is no message ('' for an id) goes with the message before it. `metadata` and `key`,
-- the caller's own name for the thread, are kept with a thread that is made now.
-- replies: {ok | again, messages that were added}
-- refusals: {locked, the run that holds the thread}
-- include: items indexes list_thread
local known = redis.call('HMGET', thread, 'created_at', 'head', 'last')
local function is_there(message_id)
  return redis.call('ZSCORE', bucket .. 'messages:' .. thread_id, message_id)
end
local new, added, takes = {}, 0, not known[3]
for i = 1, #rest, 3 do
  if rest[i] ~= '' then
    takes = not is_there(rest[i])
    added = added + (takes and 1 or 0)
  end
  if takes then
    new[#new + 1] = i
  end
end
if #new > 0 and known[2] and known[2] ~= '' then
  return {'locked', known[2]}
end
if not known[1] then
  redis.call('HSET', thread, 'created_at', created_at)
  redis.call('PERSIST', bucket .. 'attached:' .. thread_id)
  if metadata ~= '' then
    redis.call('HSET', thread, 'metadata', metadata)
  end
  if key ~= '' then
    redis.call('HSET', thread, 'key', key)
  end
end
local at = created_at
for _, i in ipairs(new) do
  if rest[i] == '' or not is_there(rest[i]) then -- a file may have a message twice
    add_item(bucket, thread_id, rest[i], rest[i + 1], rest[i + 2])
    at = math.max(at, rest[i + 2])
  end
end
if #new > 0 or not known[1] then
  list_thread(bucket, thread_id, at)
end
return {(#new > 0 or not known[1]) and 'ok' or 'again', added}
