-- A sweep looks at a bucket's indexes, all at one time.
--
-- keys: deadlines
-- args: bucket now overdue unclaimed
-- rest: none
--
-- replies: {ok, workers that hold runs, at most so many runs whose time is over, at most so many that
--   ought to have been claimed by now, each followed by its place in the index}
-- include: none
return {'ok',
  redis.call('ZRANGE', bucket .. 'holders', 0, -1),
  redis.call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, overdue),
  redis.call('ZRANGEBYSCORE', bucket .. 'dispatched', '-inf', now, 'WITHSCORES', 'LIMIT', 0, unclaimed)}
