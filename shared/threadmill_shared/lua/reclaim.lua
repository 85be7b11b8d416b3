-- Somebody takes the run away from a holder that is gone; the token is retired.
--
-- keys: run
-- args: bucket run_id holder token
-- rest: none
--
-- replies: {ok | again, the run's own queue}
-- refusals: {moved}: the run is no longer this holder's; {cancelling}: the caller ends it by force
-- include: clock full_store log items steps hold requeue
local record = redis.call('HMGET', run, 'status', 'holder', 'token', 'retired', 'queue')
if record[1] == 'queued' and record[4] == token then
  return {'again', record[5]}
end
if record[2] ~= holder or record[3] ~= token then
  return {'moved'}
end
if record[1] == 'cancelling' then
  return {'cancelling'}
end
if record[1] ~= 'in_progress' then
  return {'moved'}
end
allow_when_full(run)
requeue(bucket, run_id, clock())
return {'ok', record[5]}
