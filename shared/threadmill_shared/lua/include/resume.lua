-- A parked run goes on once nothing is left that it waits for: any worker may claim it, with the time
-- that was left to it. Returns the run and its queue where it is to be sent, else two empty strings.
local function waits_for_more(calls)
  for _, name in ipairs(redis.call('HKEYS', calls)) do
    if string.sub(name, 1, 1) == '?' then
      return true
    end
  end
  return false
end

local function resume_if_answered(bucket, run_id, now)
  local run = bucket .. 'run:' .. run_id
  if waits_for_more(bucket .. 'calls:' .. run_id) then
    return '', ''
  end
  local record = redis.call('HMGET', run, 'left_ms', 'queue')
  local deadline = digits(now + record[1])
  -- The next claim is no takeover.
  redis.call('HSET', run, 'status', 'queued', 'deadline', deadline, 'handed_over', 1)
  redis.call('HDEL', run, 'left_ms')
  redis.call('ZREM', bucket .. 'parked', run_id)
  redis.call('ZADD', bucket .. 'deadlines', deadline, run_id)
  log(bucket, run_id, 1, '["r","queued",{}]', now)
  dispatch(bucket, run_id, 0, now)
  return run_id, record[2]
end
