-- Store the definition of an assistant under its id, and name it in the index of those that were created.
--
-- keys: created registered mark
-- args: prefix id definition at once requested
-- rest: none
--
-- `prefix`: what the keys of definitions begin with, up to the id; `at`: when it was created, in seconds.
-- replies: {ok | again | same, its id, when it was created}; `same`: an earlier try of the client's request has
--   created that one
-- refusals: {exists}: there is another one with this id, and `once` is 1; {mismatch, what the request's key belongs to}
-- include: clock client_requests
local found = redis.call('GET', created)
if found == definition then
  return {'again', id, at}
end
if found and once == '1' then
  return {'exists'}
end
-- Nobody has changed it.
local function is_unused(other)
  local is_json, value = pcall(cjson.decode, redis.call('GET', prefix .. other) or '')
  return is_json and (value.version or cjson.null) == cjson.null
end

local now = clock()
local outcome, before, before_at = find_requested(mark, requested, id, now, is_unused)
if outcome then
  return {outcome, before, before_at}
end
redis.call('SET', created, definition)
redis.call('ZADD', registered, 'NX', at, id)
note_requested(mark, requested, id, now, at)
return {'ok', id, at}
