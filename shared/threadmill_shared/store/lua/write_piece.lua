-- Write a piece of a file that is being uploaded. It is there for an hour: what a dead uploader leaves goes.
--
-- keys: file
-- args: file_id field value
-- rest: none
--
-- The field `file_id` says what the whole file is, and is written last, by `create_file`.
-- replies: {ok | complete}: it is there as a whole, and stays as it is
-- include: none
if redis.call('HEXISTS', file, file_id) == 1 then
  return {'complete'}
end
redis.call('HSET', file, field, value)
redis.call('PEXPIRE', file, 3600000)
return {'ok'}
