-- Somebody outside gives the output of a call that a parked run waits for. The last one resumes the
-- run; one that has an `end_status` ends it. The caller has read the log up to `events`, and brings the
-- step with the output in it; if the run has moved since, it reads again.
--
-- keys: run
-- args: bucket run_id call_id waits_for lessee events digest item step step_status body count records end_status end_field end_value
-- rest: none
--
-- replies: {ok | again, status, the run to be sent or '', its queue}
-- refusals:
--   gone      there is no such run
--   idle      it does not wait for this from the caller, perhaps since it has ended
--   taken     another process executes the call
--   other     it has another output already
--   moved     read again
-- include: clock log items steps hold dispatch head indexes list_run list_thread end_run waited_for resume taken
local calls = bucket .. 'calls:' .. run_id
local record = redis.call('HMGET', run, 'status', 'events', 'thread_id')
if not record[1] then
  return {'gone'}
end
local given = redis.call('HGET', calls, '=' .. call_id)
if given and given ~= digest then
  return {'other'}
end
if given then
  return {'again', record[1], still_to_send(bucket, run_id)}
end
if record[1] ~= 'requires_action' or redis.call('HGET', calls, '?' .. call_id) ~= waits_for then
  return {'idle'}
end
local now = clock()
local who, until_when = taken_by(calls, call_id)
if lessee ~= (who or '') and (lessee ~= '' or until_when + 0 > now + 0) then
  return {'taken'}
end
if record[2] ~= events then
  return {'moved'}
end
redis.call('HSET', calls, '=' .. call_id, digest)
redis.call('HDEL', calls, call_id, '?' .. call_id, '@' .. call_id, '!' .. call_id, '~' .. call_id)
add_item(bucket, record[3], '', item, now)
local began = write_step(bucket, run_id, step, step_status, body, now)
log(bucket, run_id, count, records, now, began)
redis.call('HSET', run, 'deaths', 0, 'call_deaths', 0) -- the run has got on
if end_status ~= '' then
  redis.call('HSET', run, end_field, end_value)
  return {'ok', end_status, end_run(bucket, run_id, end_status, now)}
end
local send, queue = resume_if_answered(bucket, run_id, waits_for, now)
return {'ok', redis.call('HGET', run, 'status'), send, queue}
