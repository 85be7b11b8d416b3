-- Remove from an index of lists those of some entries whose records are gone.
--
-- keys: index
-- args: records
-- rest: the entries
--
-- `records` is what the keys of their records begin with.
-- replies: {ok, how many were removed}
-- include: none
local removed = 0
for _, id in ipairs(rest) do
  if redis.call('EXISTS', records .. id) == 0 then
    removed = removed + redis.call('ZREM', index, id)
  end
end
return {'ok', removed}
