-- A worker is dead: remove its registration, if it is still the one that was judged. A worker that has
-- registered again meanwhile lives; one that lives and is told `buried` drops its runs. The note of its death
-- lets operators see it later, and tells a worker that comes back from one that Redis has lost. `death` is
-- empty if the worker ends by itself.
--
-- keys: alive lease tools state deaths
-- args: worker judged expired death
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
if death ~= '' then
  -- After a deletion, a full store allows what needs room.
  redis.call('XADD', deaths, 'MAXLEN', 100, '*', 'death', death)
  redis.call('EXPIRE', deaths, 86400)
end
return {'ok'}
