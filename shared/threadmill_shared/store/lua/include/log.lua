-- Append `count` events to the run's log as one entry, named by its last number, and publish it.
-- `records` are compact JSON records without the outer brackets, so that scripts can join them.
-- `began` is the time at which the step began that this entry ends ('' if it ends none).
local function log(bucket, run_id, count, records, now, began)
  local key = bucket .. 'log:' .. run_id
  local last = redis.call('HINCRBY', bucket .. 'run:' .. run_id, 'events', count)
  if began and began ~= '' then
    redis.call('XADD', key, last, 'e', records, 't', now, 'b', began)
  else
    redis.call('XADD', key, last, 'e', records, 't', now)
  end
  redis.call('PUBLISH', key, last)
  return last
end
