-- A holder writes a batch: events, and with them whatever they announce.
--
-- keys: run
-- args: bucket run_id token serial count records
-- rest: see include/apply.lua; empty for a batch of events only
--
-- replies: {ok | again, number of the last event, 1 if a cancel is pending, server time in ms}
-- refusals: {stale}, {rewound}, {refused}
-- include: clock log items steps fence apply
local now = clock()
local outcome = fence(run, token, serial)
local last
if outcome == nil then
  redis.call('HSET', run, 'serial', serial)
  if #rest == 0 then
    last = log(bucket, run_id, count, records, now)
  else
    last = apply(bucket, run_id, redis.call('HGET', run, 'thread_id'), count, records, rest, now)
  end
  outcome = 'ok'
elseif outcome == 'again' then
  last = tonumber(redis.call('HGET', run, 'events'))
else
  return {outcome}
end
return {outcome, last, redis.call('HGET', run, 'status') == 'cancelling' and 1 or 0, now}
