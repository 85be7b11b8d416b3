-- Make a file of the pieces that `write_piece` has written, and name it in the index of all files.
--
-- keys: file
-- args: bucket file_id info pieces at expires_at
-- rest: none
--
-- `at`: when it is created, in seconds; `expires_at`: in milliseconds, or '' if it stays until it is deleted.
-- replies: {ok | again}
-- refusals: {exists, what it is}: there is another one with this id; {incomplete}: pieces are missing
-- include: none
local found = redis.call('HGET', file, file_id)
if found then
  return found == info and {'again'} or {'exists', found}
end
if redis.call('HLEN', file) ~= tonumber(pieces) then
  return {'incomplete'}
end
redis.call('HSET', file, file_id, info)
if expires_at == '' then
  redis.call('PERSIST', file)
else
  redis.call('PEXPIREAT', file, expires_at)
end
redis.call('ZADD', bucket .. 'all_files', at, file_id)
return {'ok'}
