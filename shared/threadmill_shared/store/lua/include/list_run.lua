-- The indexes of runs: `all_runs`, and those that the run's field `listed` names: its status, its
-- assistant, and its error (`status:failed assistant:0a1b error:2c3d`), everywhere by its place in its
-- thread's own list. `assistants` are its words for the assistant: of its id, and of the name if the id
-- does not follow from that. A run that an earlier release has created is in none of them, and has no such field,
-- until a script of this release changes it.
local function list_new_run(bucket, run_id, place, assistants)
  local words = 'status:queued ' .. assistants
  add_to_indexes(bucket, 'all_runs ' .. words, place, run_id)
  redis.call('HSET', bucket .. 'run:' .. run_id, 'listed', words)
  return words
end

-- Whether its id follows from its name, a script cannot tell; so such a run has both words.
local function assistants_of(run)
  local request = decoded(redis.call('HGET', run, 'request'))
  return 'assistant:' .. digest_of(tostring(request.assistant_id))
    .. ' assistant:' .. digest_of(tostring(request.assistant_name))
end

-- The run has this status now. Returns the names of its indexes and its place in them; nothing if its
-- thread was deleted.
local function list_run(bucket, run_id, status)
  local run = bucket .. 'run:' .. run_id
  local known = redis.call('HMGET', run, 'listed', 'thread_id')
  local words, place = known[1], redis.call('ZSCORE', bucket .. 'all_runs', run_id)
  if not words then
    place = redis.call('ZSCORE', bucket .. 'runs:' .. known[2], run_id)
    words = place and list_new_run(bucket, run_id, place, assistants_of(run))
  end
  if not place then
    return
  end
  local was, others = string.match(words, '^(%S+)(.*)$')
  local is = 'status:' .. status
  if is ~= was then
    redis.call('ZREM', bucket .. was, run_id)
    redis.call('ZADD', bucket .. is, place, run_id)
    redis.call('HSET', run, 'listed', is .. others)
  end
  return is .. others, place
end

-- When a record that has a lifetime is gone.
local function gone_at(run, now)
  return digits(now + math.max(redis.call('PTTL', run), 0))
end

-- The run has ended, and its record is gone at `gone_at`: `expiring` says what to remove then.
local function list_ended_run(bucket, run_id, status, last_error, gone_at)
  local words, place = list_run(bucket, run_id, status)
  if not words then
    return
  end
  if last_error and not string.find(words, ' error:', 1, true) then
    local found = decoded(last_error)
    local errors = ' error:' .. digest_of(tostring(found.name)) .. ' error:' .. digest_of(tostring(found.code))
    add_to_indexes(bucket, errors, place, run_id)
    words = words .. errors
    redis.call('HSET', bucket .. 'run:' .. run_id, 'listed', words)
  end
  local member = run_id .. ' ' .. words
  local before = redis.call('ZSCORE', bucket .. 'expiring', member)
  -- It is computed from two rounded times, so a repeated call may find a millisecond more or less.
  if not before or math.abs(before - gone_at) > 2 then
    redis.call('ZADD', bucket .. 'expiring', gone_at, member)
  end
end

local function unlist_run(bucket, run_id, words)
  remove_from_indexes(bucket, 'all_runs ' .. words, run_id)
  redis.call('ZREM', bucket .. 'expiring', run_id .. ' ' .. words)
end
