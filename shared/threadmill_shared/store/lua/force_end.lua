-- End a run without its holder: a cancel that its worker did not carry out in time, a deadline that
-- passed, also that of a run that is parked or that nobody has claimed, or (`lost` is 1) a holder that
-- is gone and a run that is not to be tried again. The caller has read the log up to `events` and
-- brings the partial message; if the run has moved since, it reads again.
--
-- keys: run
-- args: bucket run_id token events status grace_ms lost message_id message last_error
-- rest: none
--
-- replies: {ok | again, status, the next run or '', its queue}
-- refusals: {gone}, {ended}, {moved}, {early}
-- include: clock full_store log items steps hold dispatch head indexes list_run list_thread end_run
local record = redis.call('HMGET', run, 'status', 'token', 'events', 'thread_id', 'cancelled_at',
  'deadline', 'ended_at', 'forced', 'next', 'next_queue')
if not record[1] then
  return {'gone'}
end
if record[7] and record[8] == token then
  return {'again', record[1], record[9] or '', record[10] or ''}
end
if record[7] then
  return {'ended'}
end
if record[2] ~= token or record[3] ~= events then
  return {'moved'}
end
local now = clock()
local due = record[6]
if record[1] == 'cancelling' then
  due, status = record[5], 'cancelled'
elseif lost == '1' and record[1] == 'in_progress' then
  due = 0
end
if not due or now + 0 < due + grace_ms then
  return {'early'}
end
allow_when_full(run)
if message ~= '' then
  add_item(bucket, record[4], message_id, message, now)
end
if last_error ~= '' and status ~= 'cancelled' then
  redis.call('HSET', run, 'last_error', last_error)
end
redis.call('HSET', run, 'token', '', 'forced', token)
local next_run, queue = end_run(bucket, run_id, status, now)
return {'ok', status, next_run, queue}
