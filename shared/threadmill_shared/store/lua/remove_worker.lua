-- A worker is dead: remove its registration, if it is still the one that was judged. A worker that has
-- registered again meanwhile lives; one that lives and is told `buried` drops its runs.
--
-- keys: alive lease tools state
-- args: worker judged expired
-- rest: none
--
-- replies: {ok}, {again}: it is not registered any more, perhaps by this very call
-- refusals: {lives}: it has registered again, or (`expired` is 1) has a lease again
-- include: none
local found = redis.call('HGET', alive, worker)
if not found then
  return {'again'}
end
if found ~= judged then
  return {'lives'}
end
if expired == '1' and redis.call('EXISTS', lease) == 1 then
  return {'lives'}
end
redis.call('HDEL', alive, worker)
redis.call('UNLINK', lease, tools, state)
return {'ok'}
