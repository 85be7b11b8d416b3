-- A worker is dead: remove its registration, if it is still the one that was judged. A worker that has
-- registered again meanwhile lives; one that lives and finds itself buried drops its runs.
--
-- keys: alive lease tools
-- args: worker judged expired
-- rest: none
--
-- replies: {ok}
-- refusals: {lives}: it has registered again, or (`expired` is 1) has a lease again
-- include: none
if redis.call('HGET', alive, worker) ~= judged then
  return {'lives'}
end
if expired == '1' and redis.call('EXISTS', lease) == 1 then
  return {'lives'}
end
redis.call('HDEL', alive, worker)
redis.call('UNLINK', lease, tools)
return {'ok'}
