-- Put a text in the place of another one, for some seconds. A full store takes it, too: it is for what is small
-- and would be missed, such as what a worker says of itself, without which it looks like one of an older release.
--
-- keys: place
-- args: text lifetime
-- rest: none
--
-- replies: {ok}
-- refusals: none
-- include: none

-- First a write that a full store allows, which then lets the other one through.
redis.call('EXPIRE', place, lifetime)
redis.call('SET', place, text, 'EX', lifetime)
return {'ok'}
