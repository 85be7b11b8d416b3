-- A process takes a call of a parked run, to execute it; again and again while it does, which keeps
-- others from it. Nobody else may take it before the lease has lapsed, and then only one that may be
-- executed twice. A lease lapses too while the server stands still, so the first who finds that one has
-- lapsed is told to look again: a lessee that lives has renewed it by then. It may do so in a full store.
--
-- keys: run
-- args: bucket run_id call_id lessee lease_ms may_repeat suspect
-- rest: none
--
-- replies: {ok}: it is the lessee's; {kept}: it still is
-- refusals: {gone}: nobody waits for its output (any more); {taken}: another process executes it;
--   {silent, that process}: its lease has lapsed, and is not the one that the caller names as `suspect`;
--   {lapsed}: another process has begun it and is lost
-- include: clock full_store taken
local calls = bucket .. 'calls:' .. run_id
if redis.call('HGET', run, 'status') ~= 'requires_action'
  or redis.call('HGET', calls, '?' .. call_id) ~= 'output' then
  return {'gone'}
end
local now = clock()
local who, until_when = taken_by(calls, call_id)
if who and who ~= lessee then
  if until_when + 0 > now + 0 then
    return {'taken'}
  end
  if who ~= suspect then
    return {'silent', who}
  end
  if may_repeat ~= '1' then
    return {'lapsed'}
  end
end
if who == lessee and until_when + 0 > now + lease_ms - 1000 then
  return {'kept'} -- perhaps the same call once more, which is to change nothing
end
if who == lessee then
  allow_when_full(run)
end
local lease = digits(now + lease_ms)
redis.call('HSET', calls, '@' .. call_id, lessee .. ' ' .. lease)
local deadline = digits(now + 2 * lease_ms) -- somebody is at it; whoever is lost is found before
if redis.call('HGET', run, 'deadline') + 0 < deadline + 0 then
  redis.call('HSET', run, 'deadline', deadline)
  redis.call('ZADD', bucket .. 'deadlines', deadline, run_id)
end
return {who == lessee and 'kept' or 'ok'}
