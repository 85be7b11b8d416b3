-- The run takes the thread's head: its messages enter the thread, and it waits for a worker in the
-- dispatched index. Returns its queue, to which the caller sends it. `messages` are those that come before its
-- own, ids and items by turns; each is a text, since JSON that is decoded and encoded again may be other JSON.
local function take_head(bucket, thread_id, run_id, now)
  local run = bucket .. 'run:' .. run_id
  local record = redis.call('HMGET', run, 'message_id', 'message', 'queue', 'messages')
  redis.call('HSET', bucket .. 'thread:' .. thread_id, 'head', run_id)
  if record[4] then
    local brought = cjson.decode(record[4])
    for at = 1, #brought, 2 do
      add_item(bucket, thread_id, brought[at], brought[at + 1], now)
    end
    redis.call('HDEL', run, 'messages')
  end
  local before = tonumber(redis.call('HGET', bucket .. 'thread:' .. thread_id, 'last') or '0')
  if record[2] and record[2] ~= '' then
    add_item(bucket, thread_id, record[1], record[2], now)
    redis.call('HDEL', run, 'message')
  end
  redis.call('HSET', run, 'first', before + 1)
  dispatch(bucket, run_id, 0, now)
  return record[3]
end

-- Free the thread, and let the next in its line take the head. Returns the next run and its queue,
-- or two empty strings.
local function release(bucket, thread_id, now)
  redis.call('HSET', bucket .. 'thread:' .. thread_id, 'head', '')
  local next_in_line = redis.call('ZPOPMIN', bucket .. 'line:' .. thread_id)[1]
  if not next_in_line then
    return '', ''
  end
  local queue = take_head(bucket, thread_id, next_in_line, now)
  log(bucket, next_in_line, 1, '["x","threadmill.run.dispatched",{}]', now)
  return next_in_line, queue
end
