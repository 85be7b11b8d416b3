-- Replace the metadata of a thread's message, also while a run holds the thread. Items never change: what was
-- given later is kept beside the thread.
--
-- keys: thread
-- args: bucket thread_id message_id metadata
-- rest: none
--
-- replies: {ok | again}
-- refusals: {no_thread}, {no_message}
-- include: none
if redis.call('EXISTS', thread) == 0 then
  return {'no_thread'}
end
if not redis.call('ZSCORE', bucket .. 'messages:' .. thread_id, message_id) then
  return {'no_message'}
end
local attached, field = bucket .. 'attached:' .. thread_id, message_id .. ':metadata'
if redis.call('HGET', attached, field) == metadata then
  return {'again'}
end
redis.call('HSET', attached, field, metadata)
return {'ok'}
