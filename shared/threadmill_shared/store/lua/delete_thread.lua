-- Delete a thread that no run holds. Its runs are left under a tombstone, for the caller to remove
-- in pages: a thread may have had thousands. `tombs` names the thread until that is done, so that a worker
-- does it if the caller has died.
--
-- keys: thread
-- args: bucket thread_id delete_id
-- rest: none
--
-- replies: {ok | again}
-- refusals: {no_thread}, {locked, the run that holds the thread}
-- include: clock indexes
local known = redis.call('HMGET', thread, 'created_at', 'head', 'listed')
local deleted = bucket .. 'deleted:' .. thread_id
-- First, so that a late repeat does not delete a thread that was created again.
if redis.call('GET', deleted) == delete_id then
  return {'again'}
end
if not known[1] then
  return {'no_thread'}
end
if known[2] and known[2] ~= '' then
  return {'locked', known[2]}
end
-- First of all a write that frees memory: with it a full store lets the others through.
redis.call('UNLINK', thread, bucket .. 'items:' .. thread_id, bucket .. 'messages:' .. thread_id,
  bucket .. 'attached:' .. thread_id)
remove_from_indexes(bucket, 'active ' .. (known[3] or ''), thread_id)
redis.call('SET', deleted, delete_id, 'PX', 60000) -- a repeated call is answered, not refused
if redis.call('EXISTS', bucket .. 'runs:' .. thread_id) == 1 then
  redis.call('RENAME', bucket .. 'runs:' .. thread_id, bucket .. 'tomb:' .. thread_id)
  redis.call('PEXPIRE', bucket .. 'tomb:' .. thread_id, 3600000)
  redis.call('ZADD', bucket .. 'tombs', clock(), thread_id)
end
return {'ok'}
