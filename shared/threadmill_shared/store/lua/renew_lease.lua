-- A worker says that it lives. The lease is prolonged by PEXPIRE, which a full store allows.
--
-- keys: alive lease tools
-- args: worker registration lease_ms tools_ms
-- rest: none
--
-- replies: {ok}
-- refusals: {lapsed}: its lease had expired, it has to register again;
--   {buried}: it was declared dead, and its runs were reassigned
-- include: none
if redis.call('HGET', alive, worker) ~= registration then
  return {'buried'}
end
redis.call('PEXPIRE', tools, tools_ms)
if redis.call('PEXPIRE', lease, lease_ms) == 0 then
  return {'lapsed'}
end
return {'ok'}
