-- A sweep looks at the indexes of some buckets, all at one time. One server is asked for all buckets
-- at once, since answers cost a worker more than what is in them; a cluster for each bucket, by its key.
--
-- keys: deadlines
-- args: at overdue unclaimed
-- rest: the buckets' prefixes
--
-- replies: {ok, the server's time, workers that hold runs, at most so many runs of a bucket whose time
--   is over, at most so many of a bucket that ought to have been claimed by now, each followed by its
--   place in the index, at most `overdue` of a bucket whose end nobody has reported by now}; at the
--   time `at`, or if it is empty now
-- include: clock
local now = clock()
local time = at == '' and now or at
local holders, is_known, late, waiting, unreported = {}, {}, {}, {}, {}

local function add(found, to)
  for i = 1, #found do
    to[#to + 1] = found[i]
  end
end

for _, bucket in ipairs(rest) do
  for _, worker in ipairs(redis.call('ZRANGE', bucket .. 'holders', 0, -1)) do
    if not is_known[worker] then
      is_known[worker] = true
      holders[#holders + 1] = worker
    end
  end
  add(redis.call('ZRANGEBYSCORE', bucket .. 'deadlines', '-inf', time, 'LIMIT', 0, overdue), late)
  add(redis.call('ZRANGEBYSCORE', bucket .. 'dispatched', '-inf', time, 'WITHSCORES', 'LIMIT', 0,
    unclaimed), waiting)
  add(redis.call('ZRANGEBYSCORE', bucket .. 'unreported', '-inf', time, 'LIMIT', 0, overdue),
    unreported)
end
return {'ok', now, holders, late, waiting, unreported}
