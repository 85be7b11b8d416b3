-- The answer with what a request has created was handed to the network: from now on it is remembered for seconds
-- only, since it can still be lost on its way.
--
-- keys: mark
-- args: id made
-- rest: none
--
-- `id`: what the answer names; `made`: what the request would have created.
-- replies: {ok | again}
-- refusals: {gone}: it is not remembered, or another request has got it since
-- include: clock client_requests
local known = redis.call('HGET', mark, id)
local object = known and read_object(known)
if not object or object.by ~= made then
  return {'gone'}
end
if object.is_delivered then
  return {'again'}
end
local now = clock()
object.is_delivered, object.until_when = true, now + DELIVERED_MS
local longest = object.until_when
local others = redis.call('HGETALL', mark)
for i = 1, #others, 2 do
  if others[i] ~= id then
    longest = math.max(longest, read_object(others[i + 1]).until_when)
  end
end
-- First a write that a full store allows, which then lets the other through.
redis.call('PEXPIREAT', mark, digits(longest))
write_object(mark, id, object)
return {'ok'}
