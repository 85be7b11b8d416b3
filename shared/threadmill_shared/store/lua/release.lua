-- A holder gives its run back as it stands; the token is retired, and any worker may continue it.
--
-- keys: run
-- args: bucket run_id token serial
-- rest: none
--
-- replies: {ok | again, the run's own queue}
-- refusals: {stale}, {rewound}, {refused}, {cancelling}: the holder ends it instead
-- include: clock full_store log items steps hold dispatch indexes list_run requeue fence
if redis.call('HGET', run, 'retired') == token then
  return {'again', redis.call('HGET', run, 'queue')}
end
local outcome = fence(run, token, serial)
if outcome then
  return {outcome}
end
if redis.call('HGET', run, 'status') == 'cancelling' then
  return {'cancelling'}
end
allow_when_full(run)
requeue(bucket, run_id, 0, clock())
return {'ok', redis.call('HGET', run, 'queue')}
