-- Move in the indexes of lists the runs that an earlier release has ended or changed since they were listed. Of the
-- runs that stand as not ended, `count` of each status and bucket are looked at, at random: as a rule all.
--
-- keys: queued
-- args: count
-- rest: the buckets' prefixes, or in a cluster one of them
--
-- The key is the first bucket's.
-- replies: {ok, how many were moved}
-- include: clock indexes list_run
local now, moved = clock(), 0
for _, bucket in ipairs(rest) do
  for _, status in ipairs({'queued', 'in_progress', 'requires_action', 'cancelling'}) do
    for _, run_id in ipairs(redis.call('ZRANDMEMBER', bucket .. 'status:' .. status, count)) do
      local run = bucket .. 'run:' .. run_id
      local record = redis.call('HMGET', run, 'status', 'ended_at', 'last_error')
      if record[1] and record[1] ~= status then
        moved = moved + 1
        if record[2] then
          list_ended_run(bucket, run_id, record[1], record[3], gone_at(run, now))
        else
          list_run(bucket, run_id, record[1])
        end
      end
    end
  end
end
return {'ok', moved}
