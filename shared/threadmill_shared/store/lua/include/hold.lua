-- The index of what each worker holds: one sorted set per worker, and one that names the workers
-- that hold anything in this bucket. A run stands in it exactly while it is claimed.
local function hold(bucket, worker, run_id, now)
  redis.call('ZADD', bucket .. 'held:' .. worker, now, run_id)
  redis.call('ZADD', bucket .. 'holders', now, worker)
end

local function unhold(bucket, worker, run_id)
  if not worker or worker == '' then
    return
  end
  redis.call('ZREM', bucket .. 'held:' .. worker, run_id)
  if redis.call('EXISTS', bucket .. 'held:' .. worker) == 0 then
    redis.call('ZREM', bucket .. 'holders', worker)
  end
end
