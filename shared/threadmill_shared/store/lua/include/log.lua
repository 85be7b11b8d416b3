-- Add an entry to the run's log, named by the number of its last event, and publish that number.
-- `records` are compact JSON records without the outer brackets, so that scripts can join them.
-- `began` is the time at which the step began that this entry ends ('' if it ends none), `step_error` that
-- step's error, as JSON, if it has one.
local function add_entry(bucket, run_id, last, records, now, began, step_error)
  local key = bucket .. 'log:' .. run_id
  if step_error then
    redis.call('XADD', key, last, 'e', records, 't', now, 'b', began, 'l', step_error)
  elseif began and began ~= '' then
    redis.call('XADD', key, last, 'e', records, 't', now, 'b', began)
  else
    redis.call('XADD', key, last, 'e', records, 't', now)
  end
  redis.call('PUBLISH', key, last)
end

-- A record of the run's new status; it expires at its deadline, if it has one.
local function status_record(status, deadline)
  local expiry = deadline and deadline ~= '' and '"expires_at":' .. deadline or ''
  return '["r","' .. status .. '",{' .. expiry .. '}]'
end

-- Append `count` events to the run's log as one entry. Returns the number of the last one.
local function log(bucket, run_id, count, records, now, began, step_error)
  local last = redis.call('HINCRBY', bucket .. 'run:' .. run_id, 'events', count)
  add_entry(bucket, run_id, last, records, now, began, step_error)
  return last
end
