-- Remove from the indexes of lists the runs whose records have expired.
--
-- keys: expiring
-- args: count
-- rest: the buckets' prefixes, or in a cluster one of them
--
-- The key is the first bucket's; of all these buckets `count` runs are removed at most.
-- replies: {ok, how many runs were removed, threads that were deleted a minute ago and whose runs are there}
-- include: clock indexes list_run
local LATE_MS = 60000
local now = clock()
local removed, tombs = 0, {}
for _, bucket in ipairs(rest) do
  for _, found in ipairs(redis.call('ZRANGEBYSCORE', bucket .. 'expiring', '-inf', now, 'LIMIT', 0,
    count - removed)) do
    local run_id, words = string.match(found, '^(%S+) (.*)$')
    unlist_run(bucket, run_id, words)
    removed = removed + 1
  end
  for _, thread_id in ipairs(redis.call('ZRANGEBYSCORE', bucket .. 'tombs', '-inf', digits(now - LATE_MS),
    'LIMIT', 0, count)) do
    if redis.call('EXISTS', bucket .. 'tomb:' .. thread_id) == 1 then
      tombs[#tombs + 1] = thread_id
    else -- it has expired, and so will its runs
      redis.call('ZREM', bucket .. 'tombs', thread_id)
    end
  end
end
return {'ok', removed, tombs}
