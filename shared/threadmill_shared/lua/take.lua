-- A process takes a call of a parked run, to execute it; again and again while it does, which keeps
-- others from it. Nobody else may take it before the lease has lapsed, and then only one that may be
-- executed twice.
--
-- keys: run
-- args: bucket run_id call_id taker lease_ms may_repeat
-- rest: none
--
-- replies: {ok}: it is the taker's; {kept}: it still is
-- refusals: {gone}: nobody waits for its output (any more); {taken}: another process executes it;
--   {lapsed}: another process has begun it and is lost
-- include: clock taken
local calls = bucket .. 'calls:' .. run_id
if redis.call('HGET', run, 'status') ~= 'requires_action'
  or redis.call('HGET', calls, '?' .. call_id) ~= 'output' then
  return {'gone'}
end
local now = clock()
local who, until_when = taken_by(calls, call_id)
if who and who ~= taker then
  if until_when + 0 > now + 0 then
    return {'taken'}
  end
  if may_repeat ~= '1' then
    return {'lapsed'}
  end
end
if who == taker and until_when + 0 > now + lease_ms - 1000 then
  return {'kept'} -- perhaps the same call once more, which is to change nothing
end
local lease = digits(now + lease_ms)
redis.call('HSET', calls, '@' .. call_id, taker .. ' ' .. lease)
if redis.call('HGET', run, 'deadline') + 0 < lease + 0 then -- somebody is at it
  redis.call('HSET', run, 'deadline', lease)
  redis.call('ZADD', bucket .. 'deadlines', lease, run_id)
end
return {who == taker and 'kept' or 'ok'}
