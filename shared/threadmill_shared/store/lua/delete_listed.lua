-- Delete a record that stands in one index of a list: the definition of an assistant, or a file. For ten minutes
-- a note says where it stood: whoever walks over the list and deletes each one continues behind it.
--
-- keys: record index deleted
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
local place = redis.call('ZSCORE', index, id)
-- First of all a write that frees memory: with it a full store lets the others through.
local removed = redis.call('UNLINK', record)
redis.call('ZREM', index, id) -- an earlier release may have left it, and what expires leaves it
if removed == 0 then
  return {'gone'}
end
redis.call('SET', deleted, delete_id .. ' ' .. (place or '0'), 'EX', 600)
return {'ok'}
