-- Make a file of the pieces that `write_piece` has written, and name it in the index of all files.
--
-- keys: file request
-- args: bucket file_id info pieces at expires_at requested
-- rest: none
--
-- `at`: when it is created, in seconds; `expires_at`: in milliseconds, or '' if it stays until it is deleted.
-- replies: {ok | again}, {same, id, when it was created}: an earlier try of the client's request has created that one
-- refusals: {exists, what it is}: there is another one with this id; {incomplete}: pieces are missing;
--   {mismatch, what the request's key belongs to}
-- include: clock client_requests
local found = redis.call('HGET', file, file_id)
if found then
  return found == info and {'again'} or {'exists', found}
end
local function is_unused(id)
  return redis.call('EXISTS', bucket .. 'file:' .. id) == 1
end

local now = clock()
local outcome, before, before_at = find_requested(request, requested, file_id, now, is_unused)
if outcome then
  redis.call('UNLINK', file) -- the pieces that this try has written
  return {outcome, before, before_at}
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
note_requested(request, requested, file_id, now, at)
return {'ok'}
