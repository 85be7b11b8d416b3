-- A holder keeps something beside its run: a piece of a file that was made (`kind` is files), or what
-- the provider calls a file that is attached to the thread (attached). Written again it is the same.
--
-- keys: run
-- args: bucket run_id token kind field value
-- rest: none
--
-- replies: {ok}
-- refusals: {stale}
-- include: none
local record = redis.call('HMGET', run, 'token', 'status', 'thread_id')
if record[1] ~= token or (record[2] ~= 'in_progress' and record[2] ~= 'cancelling') then
  return {'stale'}
end
local owner = kind == 'files' and run_id or record[3]
redis.call('HSET', bucket .. kind .. ':' .. owner, field, value)
return {'ok'}
