-- Replace what users keep with a thread, also while a run holds it.
--
-- keys: thread
-- args: bucket thread_id metadata tool_resources
-- rest: none
--
-- Each is a JSON object; '' leaves the one that is there.
-- replies: {ok | again}
-- refusals: {no_thread}
-- include: indexes list_thread
local known = redis.call('HMGET', thread, 'created_at', 'metadata', 'listed', 'tool_resources')
if not known[1] then
  return {'no_thread'}
end
local has_metadata = metadata ~= '' and metadata ~= (known[2] or '{}')
local has_resources = tool_resources ~= '' and tool_resources ~= (known[4] or '{}')
if has_resources then
  redis.call('HSET', thread, 'tool_resources', tool_resources)
end
if has_metadata then
  redis.call('HSET', thread, 'metadata', metadata)
  remove_from_indexes(bucket, known[3] or '', thread_id)
  redis.call('HDEL', thread, 'listed')
  -- This is no activity, so the thread keeps its place. One without a place is listed by the indexer.
  local place = redis.call('ZSCORE', bucket .. 'active', thread_id)
  if place then
    list_thread(bucket, thread_id, place)
  end
end
return {(has_metadata or has_resources) and 'ok' or 'again'}
