-- Note that a run which nobody has claimed for a while is sent again. Its place in the dispatched index
-- is moved on by a pause that doubles each time, so that a long queue is not flooded with repeats.
--
-- keys: run
-- args: bucket run_id seen resend_id first_pause_ms longest_pause_ms
-- rest: none
--
-- replies: {ok | again, the run's own queue, how many attempts it has had}
-- refusals: {moved}: it was claimed, has ended, or somebody else has sent it again
-- include: clock
local dispatched = bucket .. 'dispatched'
local function answer(outcome)
  local record = redis.call('HMGET', run, 'queue', 'attempts')
  return {outcome, record[1], tonumber(record[2])}
end
if redis.call('EXISTS', run) == 0 then
  redis.call('ZREM', dispatched, run_id) -- somebody has deleted its record by hand
  return {'moved'}
end
local place = redis.call('ZSCORE', dispatched, run_id)
if place and redis.call('HGET', run, 'resent_by') == resend_id then
  return answer('again')
end
if place ~= seen then
  return {'moved'}
end
redis.call('HSET', run, 'resent_by', resend_id)
local times = redis.call('HINCRBY', run, 'resent', 1)
local pause = math.min(first_pause_ms * 2 ^ (times - 1), longest_pause_ms)
redis.call('ZADD', dispatched, 'XX', digits(clock() + pause), run_id)
return answer('ok')
