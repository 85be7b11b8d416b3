-- Apply a holder's batch: fields of the run, items of the thread, steps, open and closed tool calls,
-- and the events that announce them. `rest` is a flat list, each part preceded by its length:
--   fields (name, value)*  items (message id or '', item)*  steps (number, status, body)*
--   open calls (id, closing output)*  closed calls (id)*
-- Returns the number of the last event.
local function apply(bucket, run_id, thread_id, count, records, rest, now)
  local run, calls = bucket .. 'run:' .. run_id, bucket .. 'calls:' .. run_id
  local at, began, opens_message = 1, '', false
  local last_error, step_error
  local function part(width, act)
    local stop = at + tonumber(rest[at]) * width
    at = at + 1
    while at <= stop do
      act(rest[at], rest[at + 1], rest[at + 2])
      at = at + width
    end
  end
  local fields = {}
  part(2, function(name, value)
    fields[#fields + 1], fields[#fields + 2] = name, value
    last_error = name == 'last_error' and value or last_error
    opens_message = opens_message or (name == 'open_message' and value ~= '')
  end)
  if #fields > 0 then
    redis.call('HSET', run, unpack(fields))
  end
  part(2, function(message_id, item)
    add_item(bucket, thread_id, message_id, item, now)
  end)
  part(3, function(step, status, body)
    local step_began, own_error = write_step(bucket, run_id, step, status, body, now, last_error)
    began = step_began ~= '' and step_began or began
    step_error = own_error or step_error
  end)
  part(2, function(call_id, closing_output)
    redis.call('HSET', calls, call_id, closing_output)
  end)
  part(1, function(call_id)
    redis.call('HDEL', calls, call_id, '!' .. call_id, '~' .. call_id)
  end)
  if opens_message then
    local last = tonumber(redis.call('HGET', run, 'events'))
    redis.call('HSET', run, 'open_from', last + 1)
  end
  if tonumber(count) == 0 then
    return tonumber(redis.call('HGET', run, 'events'))
  end
  return log(bucket, run_id, count, records, now, began, step_error)
end
