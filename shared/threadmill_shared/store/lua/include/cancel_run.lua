-- Cancel a run that is not at its end: at once if nobody executes it; else its worker is notified,
-- and the deadline index says when somebody has to look whether the worker did it: after `cancel_ms`.
-- Returns an outcome (cancelled, cancelling), the next run and its queue.
local function cancel_run(bucket, run_id, now, cancel_ms)
  local run = bucket .. 'run:' .. run_id
  local record = redis.call('HMGET', run, 'status', 'bell', 'started_at', 'deadline')
  if record[1] == 'queued' or record[1] == 'requires_action' then
    local next_run, queue = end_run(bucket, run_id, 'cancelled', now)
    return 'cancelled', next_run, queue
  end
  if record[1] == 'in_progress' then
    redis.call('HSET', run, 'status', 'cancelling', 'cancelled_at', now)
    list_run(bucket, run_id, 'cancelling')
    log(bucket, run_id, 1, '["r","cancelling",{"started_at":' .. record[3] .. ',"expires_at":' .. record[4]
      .. '}]', now)
    redis.call('ZADD', bucket .. 'deadlines', now + cancel_ms, run_id)
    redis.call('PUBLISH', record[2], run_id)
  end
  return 'cancelling', '', ''
end
