-- Somebody outside gives outputs of several calls that a parked run waits for: all are stored, or none. The
-- last one resumes the run. The caller has read the log up to `events`, and brings the step with those outputs
-- in it that are not stored yet; if the run has moved since, it reads again.
--
-- keys: run
-- args: bucket run_id whole events step step_status body count records
-- rest: (call id, digest, item)*
--
-- replies: {ok | again, status, the run to be sent or '', its queue}
-- refusals:
--   gone      there is no such run
--   idle      it does not wait for one of the outputs; or (`whole` is 1) it waits for more than these
--   taken     another process executes the call that the reply names
--   other     the call that the reply names has another output already
--   moved     read again
-- include: clock log items steps dispatch indexes list_run waited_for resume taken
local function count_waiting_for_output(calls)
  local found, marks = 0, redis.call('HGETALL', calls)
  for i = 1, #marks, 2 do
    if string.sub(marks[i], 1, 1) == '?' and marks[i + 1] == 'output' then
      found = found + 1
    end
  end
  return found
end

local calls = bucket .. 'calls:' .. run_id
local record = redis.call('HMGET', run, 'status', 'events', 'thread_id')
if not record[1] then
  return {'gone'}
end
local pending, seen = {}, {}
for at = 1, #rest, 3 do
  local given = redis.call('HGET', calls, '=' .. rest[at])
  if given and given ~= rest[at + 1] then
    return {'other', rest[at]}
  end
  if seen[rest[at]] then
    return {'idle'}
  end
  seen[rest[at]] = true
  if not given then
    pending[#pending + 1] = at
  end
end
if #pending == 0 then
  return {'again', record[1], still_to_send(bucket, run_id)}
end
if record[1] ~= 'requires_action' then
  return {'idle'}
end
local now = clock()
for _, at in ipairs(pending) do
  if redis.call('HGET', calls, '?' .. rest[at]) ~= 'output' then
    return {'idle'}
  end
  local who, until_when = taken_by(calls, rest[at])
  if who and until_when + 0 > now + 0 then
    return {'taken', rest[at]}
  end
end
if whole == '1' and #pending < count_waiting_for_output(calls) then
  return {'idle'}
end
if record[2] ~= events then
  return {'moved'}
end
for _, at in ipairs(pending) do
  local id = rest[at]
  redis.call('HSET', calls, '=' .. id, rest[at + 1])
  redis.call('HDEL', calls, id, '?' .. id, '@' .. id, '!' .. id, '~' .. id)
  add_item(bucket, record[3], '', rest[at + 2], now)
end
local began = write_step(bucket, run_id, step, step_status, body, now)
log(bucket, run_id, count, records, now, began)
redis.call('HSET', run, 'deaths', 0, 'call_deaths', 0) -- the run has got on
local send, queue = resume_if_answered(bucket, run_id, 'output', now)
return {'ok', redis.call('HGET', run, 'status'), send, queue}
