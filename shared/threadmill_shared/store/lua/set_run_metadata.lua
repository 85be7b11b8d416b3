-- Replace a run's metadata. Those with which it was enqueued stay in its request, which never changes.
--
-- keys: run
-- args: bucket run_id metadata
-- rest: none
--
-- replies: {ok | again}
-- refusals: {gone}
-- include: none
local record = redis.call('HMGET', run, 'status', 'metadata')
if not record[1] then
  return {'gone'}
end
if record[2] == metadata then
  return {'again'}
end
redis.call('HSET', run, 'metadata', metadata)
return {'ok'}
