-- Store the definition of an assistant under its id, and name it in the index of those that were created.
--
-- keys: created registered
-- args: id definition at once
-- rest: none
--
-- `at`: when it was created, in seconds.
-- replies: {ok | again}
-- refusals: {exists}: there is another one with this id, and `once` is 1
-- include: none
local found = redis.call('GET', created)
if found == definition then
  return {'again'}
end
if found and once == '1' then
  return {'exists'}
end
redis.call('SET', created, definition)
redis.call('ZADD', registered, 'NX', at, id)
return {'ok'}
