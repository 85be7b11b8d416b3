-- Put a run into the dispatched index, by the time at which somebody has to look whether a worker has
-- claimed it; its message may be lost. `delay` is how long the caller waits before it sends the run.
local LOOK_AFTER_MS = 2000

local function dispatch(bucket, run_id, delay, now)
  redis.call('ZADD', bucket .. 'dispatched', digits(now + delay + LOOK_AFTER_MS), run_id)
end
