-- Give a run that was in progress back to the dispatched index, and retire its token. To which queue
-- it is sent is the caller's business.
local function requeue(bucket, run_id, now)
  local run = bucket .. 'run:' .. run_id
  local record = redis.call('HMGET', run, 'holder', 'token')
  close_open(bucket, run_id, 'cancelled', 'run_failed', now)
  redis.call('HSET', run, 'status', 'queued', 'token', '', 'holder', '', 'retired', record[2])
  log(bucket, run_id, 1, '["r","queued",{}]', now)
  unhold(bucket, record[1], run_id)
  redis.call('ZREM', bucket .. 'deadlines', run_id)
  redis.call('ZADD', bucket .. 'dispatched', now, run_id)
end
