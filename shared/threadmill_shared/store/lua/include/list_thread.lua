-- The indexes of threads: `active`, by the time of the last activity, and those that the thread's field
-- `listed` names: one for each value of its metadata whose key is `indexed`. No field: that has not been looked at.
local function metadata_words(bucket, metadata)
  local indexed = metadata and redis.call('GET', bucket .. 'indexed')
  if not indexed then
    return
  end
  local values, words = decoded(metadata), {}
  for key in string.gmatch(indexed, '[^,]+') do
    if type(values[key]) == 'string' then
      words[#words + 1] = 'metadata:' .. digest_of(key .. '=' .. values[key])
    end
  end
  return table.concat(words, ' ')
end

-- Somebody has written into the thread, or a run of it has begun to wait or ended.
local function list_thread(bucket, thread_id, at)
  local thread = bucket .. 'thread:' .. thread_id
  local known = redis.call('HMGET', thread, 'created_at', 'listed', 'metadata')
  if not known[1] then
    return
  end
  local words = known[2] or metadata_words(bucket, known[3])
  if words and not known[2] then
    redis.call('HSET', thread, 'listed', words)
  end
  words = words or ''
  add_to_indexes(bucket, 'active ' .. words, at, thread_id)
end
