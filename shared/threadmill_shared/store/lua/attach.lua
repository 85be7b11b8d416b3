-- Put a piece of a file beside a thread, before the message that names the file. Where the thread is not
-- there yet it stays for an hour, and for good once the message has made the thread.
--
-- keys: thread
-- args: bucket thread_id field value
-- rest: none
--
-- replies: {ok}
-- include: none
local attached = bucket .. 'attached:' .. thread_id
redis.call('HSET', attached, field, value)
if redis.call('EXISTS', thread) == 0 then
  redis.call('PEXPIRE', attached, 3600000)
end
return {'ok'}
