-- Delete a message of a thread that no run holds, with what is kept beside it. Positions are not given out again: a
-- gap stays.
--
-- Reasoning that led to nothing but this message goes with it: providers refuse it without what it led to.
-- A call and its output stay together, and stay.
--
-- keys: thread
-- args: bucket thread_id message_id delete_id
-- rest: none
--
-- replies: {ok | again}
-- refusals: {no_thread}, {no_message}, {locked, the run that holds the thread}
-- include: indexes
local items, messages = bucket .. 'items:' .. thread_id, bucket .. 'messages:' .. thread_id
local deleted = bucket .. 'deleted:' .. thread_id .. ':' .. message_id
-- First, so that a late repeat does not delete a message that was imported again.
if redis.call('GET', deleted) == delete_id then
  return {'again'}
end
local known = redis.call('HMGET', thread, 'created_at', 'head')
if not known[1] then
  return {'no_thread'}
end
local position = redis.call('ZSCORE', messages, message_id)
if not position then
  return {'no_message'}
end
if known[2] and known[2] ~= '' then
  return {'locked', known[2]}
end
position = string.format('%.0f', position) .. '-0'

local function item_of(entry)
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'item' then
      return decoded(entry[2][i + 1])
    end
  end
  return {}
end

local message = item_of(redis.call('XRANGE', items, position, position)[1])
local behind = item_of(redis.call('XRANGE', items, '(' .. position, '+', 'COUNT', 1)[1])
local is_call = behind.type == 'tool_call' or behind.type == 'hosted_call'
local is_last = message.role == 'assistant' and not (is_call and behind.run_id == message.run_id)
local gone, before = {position}, position
while is_last and type(message.run_id) == 'string' do
  local entry = redis.call('XREVRANGE', items, '(' .. before, '-', 'COUNT', 1)[1]
  local item = item_of(entry)
  if item.type ~= 'reasoning' or item.run_id ~= message.run_id then
    break
  end
  before = entry[1]
  gone[#gone + 1] = before
end
-- First of all writes that free memory: with them a full store lets the others through.
redis.call('XDEL', items, unpack(gone))
redis.call('ZREM', messages, message_id)
redis.call('HDEL', bucket .. 'attached:' .. thread_id, message_id .. ':failed', message_id .. ':metadata')
redis.call('SET', deleted, delete_id, 'PX', 60000) -- a repeated call is answered, not refused
return {'ok'}
