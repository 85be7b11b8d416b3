-- Give a run that was in progress back to the dispatched index, and retire its token. To which queue
-- it is sent, `delay` milliseconds from now, is the caller's business. Its deadline stays.
local function requeue(bucket, run_id, delay, now)
  local run = bucket .. 'run:' .. run_id
  local record = redis.call('HMGET', run, 'holder', 'token', 'deadline')
  close_open(bucket, run_id, 'cancelled', 'run_failed', now)
  redis.call('HSET', run, 'status', 'queued', 'token', '', 'holder', '', 'retired', record[2])
  log(bucket, run_id, 1, status_record('queued', record[3]), now)
  unhold(bucket, record[1], run_id)
  list_run(bucket, run_id, 'queued')
  dispatch(bucket, run_id, delay, now)
end
