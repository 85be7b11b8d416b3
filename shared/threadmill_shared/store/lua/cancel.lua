-- Cancel a run: at once if nobody executes it, else its worker is notified.
--
-- keys: run
-- args: bucket run_id cancel_ms
-- rest: none
--
-- replies: {cancelled | cancelling | ended, status, the next run or '', its queue}
-- refusals: {gone}
-- include: clock full_store log items steps hold dispatch head indexes list_run list_thread end_run cancel_run
local record = redis.call('HMGET', run, 'status', 'ended_at')
if not record[1] then
  return {'gone'}
end
if record[2] then
  return {'ended', record[1], still_to_send(bucket, run_id)}
end
allow_when_full(run)
local outcome, next_run, queue = cancel_run(bucket, run_id, clock(), cancel_ms)
return {outcome, redis.call('HGET', run, 'status'), next_run, queue}
