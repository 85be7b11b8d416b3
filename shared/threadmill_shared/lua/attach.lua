-- Put a file beside a thread, before the message that names it. Where the thread is not there yet the
-- file stays for an hour, and for good once the message has made the thread.
--
-- keys: thread
-- args: bucket thread_id file_id file
-- rest: none
--
-- replies: {ok}
-- include: none
local attached = bucket .. 'attached:' .. thread_id
redis.call('HSET', attached, file_id, file)
if redis.call('EXISTS', thread) == 0 then
  redis.call('PEXPIRE', attached, 3600000)
end
return {'ok'}
