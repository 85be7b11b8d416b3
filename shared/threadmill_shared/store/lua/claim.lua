-- A worker takes a queued run that is at its thread's head, under a new token.
--
-- A run that has ended without a holder is not claimed: the first task that asks for it reports its end.
--
-- keys: run
-- args: bucket run_id worker worker_name bell claim task most_items most_bytes
-- rest: none
--
-- replies:
--   {claimed | again, token, milliseconds left, last position of the thread, the record,
--     the thread's newest items, each behind its position, what its models did not take or '',
--     its tool resources or ''}
--   {ended, the record}
-- refusals: {gone}, {taken}, {waiting}
-- include: clock log hold indexes list_run recent_items
local record = redis.call('HMGET', run, 'status', 'token', 'thread_id', 'attempts', 'started_at',
  'limit_ms', 'deadline', 'handed_over', 'ended_at')
local status, thread_id = record[1], record[3]
if not status then
  redis.call('ZREM', bucket .. 'unreported', run_id)
  return {'gone'}
end
local now = clock()
local thread = bucket .. 'thread:' .. thread_id
local function answer(outcome, token, deadline)
  return {outcome, token, digits(deadline - now), redis.call('HGET', thread, 'last') or '0',
    redis.call('HGETALL', run), recent_items(bucket, thread_id, tonumber(most_items), tonumber(most_bytes)),
    redis.call('HGET', bucket .. 'attached:' .. thread_id, 'left_out') or '',
    redis.call('HGET', thread, 'tool_resources') or ''}
end
local mine = record[2] and string.sub(record[2], -#claim) == claim
if mine and (status == 'in_progress' or status == 'cancelling') then
  return answer('again', record[2], record[7])
end
-- Who held a run to its end has reported that; its token is still there.
if record[9] and record[2] == '' then
  redis.call('HSETNX', run, 'reported_by', claim)
  redis.call('ZREM', bucket .. 'unreported', run_id)
  if redis.call('HGET', run, 'reported_by') == claim then
    -- Perhaps a process of an earlier release has ended it.
    list_ended_run(bucket, run_id, status, redis.call('HGET', run, 'last_error'), gone_at(run, now))
    return {'ended', redis.call('HGETALL', run)}
  end
end
if status ~= 'queued' then
  return {'taken'}
end
if redis.call('HGET', thread, 'head') ~= run_id then
  return {'waiting'}
end

local attempt = tonumber(record[4]) + 1
local token = digits(attempt) .. '-' .. claim
local started_at = record[5] or now
-- Before the first claim it is that of the waiting.
local deadline = record[5] and record[7] or digits(now + record[6])
redis.call('ZREM', bucket .. 'dispatched', run_id)
redis.call('HSET', run, 'status', 'in_progress', 'token', token, 'serial', 0, 'attempts', attempt,
  'holder', worker, 'worker', worker_name, 'bell', bell, 'started_at', started_at,
  'deadline', deadline, 'task', task)
hold(bucket, worker, run_id, now)
list_run(bucket, run_id, 'in_progress')
redis.call('ZADD', bucket .. 'deadlines', deadline, run_id)
local records = '["r","in_progress",{"started_at":' .. started_at .. ',"expires_at":' .. deadline .. '}]'
redis.call('HDEL', run, 'handed_over', 'resent', 'resent_by')
if attempt == 1 or record[8] then -- a worker that only passed the run on did nothing for it
  log(bucket, run_id, 1, records, now)
else
  log(bucket, run_id, 2, '["x","threadmill.run.takeover",{"worker":"' .. worker_name .. '","attempt":'
    .. digits(attempt) .. '}],' .. records, now)
end
return answer('claimed', token, deadline)
