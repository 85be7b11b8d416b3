-- A call that waited for `was` has been answered. A parked run continues once nothing is left that it
-- waits for: any worker may claim it, with the time that was left to it. After the last decision it
-- may still wait for functions, for which it has less time. Returns the run and its queue if it is to
-- be sent, else two empty strings.
local function resume_if_answered(bucket, run_id, was, now)
  local run = bucket .. 'run:' .. run_id
  local record = redis.call('HMGET', run, 'left_ms', 'queue', 'deadline', 'park_ms')
  local waits_for = waited_for(bucket .. 'calls:' .. run_id)
  if waits_for then
    local deadline = now + record[4]
    if was == 'approval' and waits_for == 'output' and deadline < record[3] + 0 then
      redis.call('HSET', run, 'deadline', digits(deadline))
      redis.call('ZADD', bucket .. 'deadlines', digits(deadline), run_id)
    end
    return '', ''
  end
  local deadline = digits(now + record[1])
  -- The next claim is not a takeover.
  redis.call('HSET', run, 'status', 'queued', 'deadline', deadline, 'handed_over', 1)
  redis.call('HDEL', run, 'left_ms')
  list_run(bucket, run_id, 'queued')
  redis.call('ZREM', bucket .. 'parked', run_id)
  redis.call('ZADD', bucket .. 'deadlines', deadline, run_id)
  log(bucket, run_id, 1, status_record('queued', deadline), now)
  dispatch(bucket, run_id, 0, now)
  return run_id, record[2]
end
