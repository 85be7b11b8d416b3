-- Note that a run which nobody has claimed for a while is sent again. Its place in the dispatched index
-- is moved on by a pause that doubles each time, so that a long queue is not flooded with repeats.
--
-- keys: run
-- args: bucket run_id seen first_pause_ms longest_pause_ms
-- rest: none
--
-- replies: {ok, the run's own queue, 1 where it had begun}
-- refusals: {moved}: it was claimed, has ended, or somebody else has sent it again
-- include: clock
local dispatched = bucket .. 'dispatched'
if redis.call('ZSCORE', dispatched, run_id) ~= seen then
  return {'moved'}
end
local times = redis.call('HINCRBY', run, 'resent', 1)
local pause = math.min(first_pause_ms * 2 ^ (times - 1), longest_pause_ms)
redis.call('ZADD', dispatched, 'XX', digits(clock() + pause), run_id)
local record = redis.call('HMGET', run, 'queue', 'attempts')
return {'ok', record[1], tonumber(record[2]) > 0 and 1 or 0}
