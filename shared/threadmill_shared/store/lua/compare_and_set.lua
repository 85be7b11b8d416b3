-- Put a text in the place of another one, unless somebody else was faster.
--
-- keys: place
-- args: was becomes lifetime
-- rest: none
--
-- `was` is '' if nothing was there; `lifetime` is in seconds, or '' for none.
-- replies: {ok | again}
-- refusals: {moved}
-- include: none
local found = redis.call('GET', place) or ''
if found == becomes then
  return {'again'}
end
if found ~= was then
  return {'moved'}
end
if lifetime == '' then
  redis.call('SET', place, becomes)
else
  redis.call('SET', place, becomes, 'EX', lifetime)
end
return {'ok'}
