-- Delete the definition of an assistant that was created. For ten minutes a note says where it stood among
-- the others: whoever walks over them and deletes each one continues behind it.
--
-- keys: created registered deleted
-- args: id delete_id
-- rest: none
--
-- replies: {ok | again}
-- refusals: {gone}: there is none
-- include: none
local note = redis.call('GET', deleted)
if note and string.sub(note, 1, #delete_id) == delete_id then
  return {'again'}
end
local place = redis.call('ZSCORE', registered, id)
-- First of all a write that frees memory: with it a full store lets the others through.
local removed = redis.call('DEL', created)
redis.call('ZREM', registered, id) -- an earlier release may have left it
if removed == 0 then
  return {'gone'}
end
redis.call('SET', deleted, delete_id .. ' ' .. (place or '0'), 'EX', 600)
return {'ok'}
