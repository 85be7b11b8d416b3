-- Create a run as queued. On a free thread it takes the head, else it joins the thread's line.
--
-- keys: run thread idem request
-- args: bucket run_id thread_id create metadata tool_resources when_busy cancel_ms max_waiting wait_ms digest message_id message assistants thread_key task full_share after followed requested
-- rest: fields of the run (name, value)*
--
-- replies (outcome, run, runs ahead, run to send, its queue, when it was created):
--   dispatch    the run is at the head
--   waiting     it is in the line
--   again       this very call was applied before
--   same        the idempotency key, or the client's request, belongs to that run
-- refusals, nothing written (but `refused`, for a minute, if another run is sent behind it; a repeat gets the same):
--   mismatch    the idempotency key, or the request's, was used with other content
--   no_thread   the thread does not exist
--   locked      the thread is busy and the caller does not want to wait; names the holder
--   full        too many runs wait in the line
--   early       the run that is sent in front of it is not there, and was not refused
--   no_room     the server has used at least this share of its memory
-- include: clock full_store log items steps hold dispatch head indexes list_run list_thread end_run cancel_run client_requests
-- If this Redis is the broker, too, the run's task is sent here: the caller has nothing to send. Unless that
-- is refused, since the user has no right to, or another key has the queue's name: the run is stored then.
local function send_task(queue)
  if task == '' or type(redis.pcall('LPUSH', queue, task)) == 'table' then
    return run_id, queue
  end
  return '', ''
end

-- Asked here, since a question of its own would cost a round trip. A user may have no right to ask.
local function has_room()
  local info = full_share ~= '' and redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then
    return true
  end
  local limit = tonumber(string.match(info, 'maxmemory:(%d+)') or 0)
  return limit == 0 or tonumber(string.match(info, 'used_memory:(%d+)')) < full_share * limit
end

-- Nothing is stored. A run that was sent behind this one has to know that this is not for a failure; and if the
-- answer is lost, this one is to be refused again: it would be stored behind that run by now.
local mark = bucket .. 'refused:' .. run_id
local function refuse(outcome, about, ahead)
  if followed == '1' then
    redis.pcall('SET', mark, outcome .. ' ' .. about .. ' ' .. digits(ahead), 'PX', 60000)
  end
  return {outcome, about, ahead, '', '', 0}
end

local now = clock()
local line = bucket .. 'line:' .. thread_id
if redis.call('EXISTS', run) == 1 then
  local before = redis.call('ZRANK', line, run_id)
  local stored = redis.call('HMGET', run, 'queue', 'created_at')
  if before then
    return {'again', run_id, before + 1, '', '', stored[2]}
  end
  return {'again', run_id, 0, run_id, stored[1], stored[2]}
end
local refusal = followed == '1' and redis.call('GET', mark)
if refusal then
  local outcome, about, ahead = string.match(refusal, '^(%S+) (%S*) (%d+)$')
  return {outcome, about, tonumber(ahead), '', '', 0}
end
if digest ~= '' then
  local used = redis.call('HMGET', idem, 'run', 'digest')
  -- A key whose run went with its thread is free again; a deleted thread's runs go in pages.
  if used[1] and redis.call('EXISTS', bucket .. 'run:' .. used[1]) == 1
    and not redis.call('ZSCORE', bucket .. 'tomb:' .. thread_id, used[1]) then
    return refuse(used[2] == digest and 'same' or 'mismatch', used[1], 0)
  end
end
-- Nobody has let something else run on its thread, written into that, or cancelled it.
local function is_unused(id)
  local known = redis.call('HMGET', bucket .. 'run:' .. id, 'thread_id', 'ended_at', 'final', 'status', 'metadata')
  if not known[1] or known[4] == 'cancelled' or known[4] == 'cancelling' or known[5]
    or redis.call('ZCARD', bucket .. 'runs:' .. known[1]) ~= 1 then
    return false
  end
  local found = redis.call('HMGET', bucket .. 'thread:' .. known[1], 'last', 'metadata', 'tool_resources')
  return (not known[2] or found[1] == known[3]) and (found[2] or '') == metadata
    and (found[3] or '') == tool_resources
end

local before, created, created_at = find_requested(request, requested, run_id, now, is_unused)
if before == 'mismatch' then
  return refuse(before, created, 0)
elseif before then
  return {before, created, 0, '', '', created_at}
end
-- Commands that are sent together can fail one by one; none may overtake what failed before it.
if after ~= '' and redis.call('EXISTS', bucket .. 'run:' .. after, bucket .. 'refused:' .. after) == 0 then
  return {'early', '', 0, '', '', 0}
end
if not has_room() then
  return refuse('no_room', '', 0)
end
local known = redis.call('HMGET', thread, 'created_at', 'head')
if not known[1] and create ~= '1' then
  return refuse('no_thread', '', 0)
end
local head = known[2] or ''
if head ~= '' and when_busy == 'reject' then
  return refuse('locked', head, 0)
end
if head ~= '' and redis.call('ZCARD', line) >= tonumber(max_waiting) then
  return refuse('full', head, redis.call('ZCARD', line))
end

redis.call('HSETNX', thread, 'created_at', now)
if not known[1] then
  redis.call('PERSIST', bucket .. 'attached:' .. thread_id)
  -- A deleted thread's runs go in pages; this may be one of them, enqueued again by a late repeat.
  redis.call('ZREM', bucket .. 'unreported', run_id)
end
if not known[1] and metadata ~= '' then
  redis.call('HSET', thread, 'metadata', metadata)
end
if not known[1] and tool_resources ~= '' then
  redis.call('HSET', thread, 'tool_resources', tool_resources)
end
if thread_key ~= '' then
  redis.call('HSETNX', thread, 'key', thread_key)
end
redis.call('HSET', run, 'thread_id', thread_id, 'status', 'queued', 'created_at', now, 'token', '',
  'serial', 0, 'attempts', 0, 'message_id', message_id, 'message', message, unpack(rest))
local deadline = wait_ms ~= '' and digits(now + wait_ms)
if deadline then
  redis.call('HSET', run, 'deadline', deadline)
  redis.call('ZADD', bucket .. 'deadlines', deadline, run_id)
end
if digest ~= '' then
  redis.call('DEL', idem) -- the lifetime that a gone run left on it, too
  redis.call('HSET', idem, 'run', run_id, 'digest', digest)
  redis.call('HSET', run, 'idem', idem)
end
-- By time, for their lifetime's sake; but within a millisecond, or when the clock went back, by turn.
local runs = bucket .. 'runs:' .. thread_id
local newest = redis.call('ZREVRANGE', runs, 0, 0, 'WITHSCORES')[2]
local place = newest and math.max(now, newest + 2 ^ -10) or now
redis.call('ZADD', runs, place, run_id)
list_new_run(bucket, run_id, place, assistants)
list_thread(bucket, thread_id, now)

note_requested(request, requested, run_id, now, now)

local records = status_record('created', deadline) .. ',' .. status_record('queued', deadline)
if head == '' then
  local queue = take_head(bucket, thread_id, run_id, now)
  log(bucket, run_id, 2, records, now)
  local send, to = send_task(queue)
  return {'dispatch', run_id, 0, send, to, now}
end

local turn = redis.call('HINCRBY', thread, 'line', 1)
if when_busy == 'interrupt' then
  redis.call('HSET', run, 'interrupts', 1)
  turn = turn - 2 ^ 52 -- before all who wait in the common order
end
redis.call('ZADD', line, turn, run_id)
local ahead = redis.call('ZRANK', line, run_id) + 1
log(bucket, run_id, 3, records .. ',["x","threadmill.run.waiting",{"ahead":' .. digits(ahead) .. '}]', now)
if when_busy ~= 'interrupt' or redis.call('HGET', bucket .. 'run:' .. head, 'interrupts') then
  return {'waiting', run_id, ahead, '', '', now}
end
local _, next_run, queue = cancel_run(bucket, head, now, cancel_ms)
if next_run == run_id then
  local send, to = send_task(queue)
  return {'dispatch', run_id, 0, send, to, now}
end
return {'waiting', run_id, ahead, next_run, queue, now}
