-- Put a run into the dispatched index, by the time at which somebody has to look whether a worker has
-- claimed it; its message may be lost. `delay` is how long the caller waits before it sends the run.
local LOOK_AFTER_MS = 2000

local function dispatch(bucket, run_id, delay, now)
  redis.call('HSET', bucket .. 'run:' .. run_id, 'queued_at', digits(now + delay))
  redis.call('ZADD', bucket .. 'dispatched', digits(now + delay + LOOK_AFTER_MS), run_id)
end

-- Whoever repeats a call is told again which run to send, until a worker has it: this one, or the next
-- if it has ended; perhaps this very call has done that, and its answer was lost. Returns the run
-- and its queue, or two empty strings.
local function still_to_send(bucket, run_id)
  local record = redis.call('HMGET', bucket .. 'run:' .. run_id, 'queue', 'ended_at', 'next', 'next_queue')
  local send, queue = run_id, record[1]
  if record[2] then
    send, queue = record[3] or '', record[4] or ''
  end
  if redis.call('ZSCORE', bucket .. 'dispatched', send) then
    return send, queue
  end
  return '', ''
end
