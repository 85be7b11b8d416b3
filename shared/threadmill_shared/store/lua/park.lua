-- A holder lets go of a run that waits for somebody outside: for a decision about a tool call, or for
-- the output of a function that no worker has. The thread stays locked, no worker holds the run, and
-- its own deadline stands still; meanwhile it has another one, `wait_ms` from now. The last of the
-- records says that the run waits, and gets that deadline here.
--
-- keys: run
-- args: bucket run_id token serial wait_ms count records
-- rest: see include/apply.lua; opens `?<call>` for each call that somebody outside has to answer
--
-- replies: {ok | again}
-- refusals: {stale}, {rewound}, {refused}, {cancelling}: the holder ends it instead
-- include: clock full_store log items steps hold indexes list_run fence apply
local record = redis.call('HMGET', run, 'retired', 'status', 'thread_id', 'holder', 'deadline')
if record[1] == token then
  return {'again'}
end
local outcome = fence(run, token, serial)
if outcome then
  return {outcome}
end
if record[2] == 'cancelling' then
  return {'cancelling'}
end
local now = clock()
local until_when = digits(now + wait_ms)
local said = string.match(records, '^(.*)}%]$')
if said then
  local comma = string.sub(said, -1) == '{' and '' or ','
  records = said .. comma .. '"expires_at":' .. until_when .. '}]'
end
allow_when_full(run)
apply(bucket, run_id, record[3], count, records, rest, now)
redis.call('HSET', run, 'status', 'requires_action', 'token', '', 'holder', '', 'retired', token,
  'deadline', until_when, 'left_ms', digits(math.max(record[5] - now, 0)))
unhold(bucket, record[4], run_id)
list_run(bucket, run_id, 'requires_action')
redis.call('ZADD', bucket .. 'parked', now, run_id)
redis.call('ZADD', bucket .. 'deadlines', until_when, run_id)
return {'ok'}
