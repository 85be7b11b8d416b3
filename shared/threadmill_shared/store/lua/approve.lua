-- Somebody decides that a call of a parked run may be executed; a worker does it, once nothing else is
-- left that the run waits for. If the run ends before the call has an output, it gets one: `unbegun` if
-- nobody has begun the call, else `closing`, since it may have had an effect.
--
-- keys: run
-- args: bucket run_id call_id closing unbegun count records
-- rest: none
--
-- replies: {ok | again, the run to be sent or '', its queue}
-- refusals: {gone}: there is no such run; {idle}: the call waits for no decision
-- include: clock log dispatch indexes list_run waited_for resume
local calls = bucket .. 'calls:' .. run_id
if redis.call('EXISTS', run) == 0 then
  return {'gone'}
end
if redis.call('HGET', run, 'status') ~= 'requires_action'
  or redis.call('HGET', calls, '?' .. call_id) ~= 'approval' then
  if redis.call('HEXISTS', calls, '+' .. call_id) == 1 then
    return {'again', still_to_send(bucket, run_id)}
  end
  return {'idle'}
end
local now = clock()
redis.call('HSET', calls, '+' .. call_id, 1, '~' .. call_id, unbegun, call_id, closing)
redis.call('HDEL', calls, '?' .. call_id)
log(bucket, run_id, count, records, now)
return {'ok', resume_if_answered(bucket, run_id, 'approval', now)}
