-- A holder ends its run: the last batch, the terminal event, and the hand-over to the next in line.
-- A run that was being cancelled when it completed ends as cancelled, with all that it has written.
--
-- keys: run
-- args: bucket run_id token serial status count records
-- rest: see include/apply.lua
--
-- replies: {ok | again, status, the next run or '', its queue}
-- refusals: {stale}, {rewound}, {refused}
-- include: clock full_store log items steps hold dispatch head indexes list_run list_thread end_run fence apply
local outcome = fence(run, token, serial)
if outcome == 'again' then
  local answer = redis.call('HMGET', run, 'status', 'next', 'next_queue')
  return {outcome, answer[1], answer[2] or '', answer[3] or ''}
end
if outcome then
  return {outcome}
end
local now = clock()
allow_when_full(run)
if redis.call('HGET', run, 'status') == 'cancelling' then
  status = 'cancelled'
end
redis.call('HSET', run, 'serial', serial)
apply(bucket, run_id, redis.call('HGET', run, 'thread_id'), count, records, rest, now)
local next_run, queue = end_run(bucket, run_id, status, now)
return {'ok', status, next_run, queue}
