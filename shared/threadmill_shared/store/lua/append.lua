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
local outcome, last, status = fence(run, token, serial)
if outcome == nil and #rest == 0 then
  -- For each token that arrives alone: each command is written to the append-only file, so one for both.
  last = last + count
  redis.call('HSET', run, 'serial', serial, 'events', last)
  add_entry(bucket, run_id, last, records, now)
  outcome = 'ok'
elseif outcome == nil then
  redis.call('HSET', run, 'serial', serial)
  last = apply(bucket, run_id, redis.call('HGET', run, 'thread_id'), count, records, rest, now)
  outcome = 'ok'
elseif outcome ~= 'again' then
  return {outcome}
end
return {outcome, last, status == 'cancelling' and 1 or 0, now}
