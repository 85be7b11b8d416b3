-- Remove some runs of a deleted thread, with all that belongs to them. One that stands in the thread's list
-- again belongs to a thread of the same id that was made since.
--
-- keys: tomb
-- args: bucket thread_id
-- rest: the runs
--
-- replies: {ok}
-- include: indexes list_run
for _, run_id in ipairs(rest) do
  if not redis.call('ZSCORE', bucket .. 'runs:' .. thread_id, run_id) then
    local words = redis.call('HGET', bucket .. 'run:' .. run_id, 'listed')
    redis.call('UNLINK', bucket .. 'run:' .. run_id, bucket .. 'log:' .. run_id, bucket .. 'compacted:' .. run_id,
      bucket .. 'steps:' .. run_id, bucket .. 'calls:' .. run_id, bucket .. 'files:' .. run_id)
    redis.call('ZREM', bucket .. 'unreported', run_id)
    if words then
      unlist_run(bucket, run_id, words)
    end
  end
  redis.call('ZREM', tomb, run_id)
end
if redis.call('EXISTS', tomb) == 0 then
  redis.call('ZREM', bucket .. 'tombs', thread_id)
end
return {'ok'}
