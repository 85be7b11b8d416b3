-- Add one item to the thread, at the next position. A message is also found by its id.
local function add_item(bucket, thread_id, message_id, item, now)
  local position = redis.call('HINCRBY', bucket .. 'thread:' .. thread_id, 'last', 1)
  redis.call('XADD', bucket .. 'items:' .. thread_id, position, 'item', item, 't', now)
  if message_id ~= '' then
    redis.call('ZADD', bucket .. 'messages:' .. thread_id, position, message_id)
  end
  return position
end
