-- Read a page of a thread's messages, with what is kept beside them, in one round trip: those between the messages
-- `older` and `newer` (empty: no end), from the older ones to the newer ones (`asc`) or the other way (`desc`).
--
-- keys: thread
-- args: bucket thread_id order count older newer
-- rest: none
--
-- replies: {ok, for each message: {the entry's fields, failures, metadata}}; the last two may be ''
-- refusals: {no_thread}; {no_message, which of `older` and `newer` is none}
-- include: none
if redis.call('EXISTS', thread) == 0 then
  return {'no_thread'}
end
local messages = bucket .. 'messages:' .. thread_id
local ends = {older = '-inf', newer = '+inf'}
for name, id in pairs({older = older, newer = newer}) do
  if id ~= '' then
    local score = redis.call('ZSCORE', messages, id)
    if not score then
      return {'no_message', id}
    end
    ends[name] = '(' .. score
  end
end
local scored
if order == 'asc' then
  scored = redis.call('ZRANGEBYSCORE', messages, ends.older, ends.newer, 'WITHSCORES', 'LIMIT', 0, count)
else
  scored = redis.call('ZREVRANGEBYSCORE', messages, ends.newer, ends.older, 'WITHSCORES', 'LIMIT', 0, count)
end
if #scored == 0 then
  return {'ok'}
end

local notes = {'HMGET', bucket .. 'attached:' .. thread_id}
for at = 1, #scored, 2 do
  notes[#notes + 1] = scored[at] .. ':failed'
  notes[#notes + 1] = scored[at] .. ':metadata'
end
notes = redis.call(unpack(notes))

-- Positions that follow each other are read together; nothing else is, since calls and outputs may be large.
local items = bucket .. 'items:' .. thread_id
local read, step = 'XRANGE', 1
if order ~= 'asc' then
  read, step = 'XREVRANGE', -1
end
local found, first, places = {'ok'}, nil, {}
for at = 1, #scored, 2 do
  local position = scored[at + 1]
  first, places[position .. '-0'] = first or position, at
  if tonumber(scored[at + 3] or 'nan') ~= position + step then
    for _, entry in ipairs(redis.call(read, items, first, position)) do
      local place = places[entry[1]]
      found[#found + 1] = {entry[2], notes[place] or '', notes[place + 1] or ''}
    end
    first = nil
  end
end
return found
