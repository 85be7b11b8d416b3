-- End a run: closing outputs for its open tool calls, the terminal event, lifetimes, and the hand-over
-- to the next in line. Every script that ends a run does it here. Returns the next run and its queue,
-- and keeps both in the record, for a call whose answer was lost.
--
-- Whatever the run left open is closed, because a provider refuses a conversation in which a call
-- has no output. Each open call's closing output was written by its worker when it was stored; another one,
-- for a call that nobody has begun, by the worker that left it to others, or with the approval.
local STEP_STATUS = {
  cancelled = 'cancelled', failed = 'failed', expired = 'expired', incomplete = 'failed',
  completed = 'completed',
}
local REASON = {
  cancelled = 'run_cancelled', failed = 'run_failed', expired = 'run_expired',
  incomplete = 'max_tokens', completed = 'run_failed',
}

-- What an open call gets for an output. No worker has begun it without the mark `!`; a process outside
-- may have begun one that waits (?) or is leased (@).
local function closing_output(calls, call_id, closing)
  local marks = redis.call('HMGET', calls, '~' .. call_id, '!' .. call_id, '?' .. call_id, '@' .. call_id)
  local may_have_begun = marks[2] or marks[3] or marks[4]
  return not may_have_begun and marks[1] or closing
end

-- Approvals (+) and answers (=) of outsiders stay: who repeats one, since what the store said to it was
-- lost, is to hear the same again, though the run may have ended meanwhile. The output (~) of a call that
-- nobody has begun stays, too: it tells operators that the call was not executed.
local function close_calls(bucket, run_id, thread_id, now)
  local calls = bucket .. 'calls:' .. run_id
  local open = redis.call('HGETALL', calls)
  local unbegun = {}
  for i = 1, #open, 2 do
    if string.sub(open[i], 1, 5) == 'call_' then -- what else is known of a call has a mark before it
      local output = closing_output(calls, open[i], open[i + 1])
      unbegun['~' .. open[i]] = output ~= open[i + 1]
      add_item(bucket, thread_id, '', output, now)
    end
  end
  for i = 1, #open, 2 do
    if not string.find(open[i], '^[+=]') and not unbegun[open[i]] then
      redis.call('HDEL', calls, open[i])
    end
  end
end

local function set_lifetimes(bucket, run_id, thread_id, idem, log_ms, run_ms, now)
  -- The thread's list of runs forgets those whose records must be gone by now.
  redis.call('ZREMRANGEBYSCORE', bucket .. 'runs:' .. thread_id, '-inf', now - 2 * run_ms)
  redis.call('PEXPIRE', bucket .. 'log:' .. run_id, log_ms)
  redis.call('PEXPIRE', bucket .. 'run:' .. run_id, run_ms)
  redis.call('PEXPIRE', bucket .. 'steps:' .. run_id, run_ms)
  redis.call('PEXPIRE', bucket .. 'calls:' .. run_id, run_ms)
  redis.call('PEXPIRE', bucket .. 'files:' .. run_id, run_ms)
  if idem and idem ~= '' then
    redis.call('PEXPIRE', idem, 86400000)
  end
end

local function end_run(bucket, run_id, status, now)
  local run = bucket .. 'run:' .. run_id
  local record = redis.call('HMGET', run, 'thread_id', 'holder', 'idem', 'usage', 'last_error',
    'reason', 'log_ms', 'run_ms', 'started_at', 'metadata')
  local thread_id = record[1]
  local thread = bucket .. 'thread:' .. thread_id
  local is_head = redis.call('HGET', thread, 'head') == run_id
  close_open(bucket, run_id, STEP_STATUS[status], REASON[status], now, record[5])
  if is_head then
    close_calls(bucket, run_id, thread_id, now)
    redis.call('HSET', run, 'final', redis.call('HGET', thread, 'last') or 0)
  end
  local terminal = '["r","' .. status .. '",{"usage":' .. (record[4] or 'null')
    .. ',"last_error":' .. (record[5] or 'null') .. ',"reason":' .. (record[6] or 'null')
    .. ',"started_at":' .. (record[9] or 'null')
    .. (record[10] and ',"metadata":' .. record[10] or '') .. '}],["done"]'
  redis.call('HSET', run, 'status', status, 'ended_at', now, 'terminal', terminal)
  if redis.call('HGET', run, 'token') == '' then
    -- No holder knows that it has ended: a worker is to log and show it, at the latest in a while.
    redis.call('ZADD', bucket .. 'unreported', digits(now + LOOK_AFTER_MS), run_id)
    redis.call('PEXPIRE', bucket .. 'unreported', record[8])
  end
  log(bucket, run_id, 2, terminal, now)
  redis.call('ZREM', bucket .. 'dispatched', run_id)
  redis.call('ZREM', bucket .. 'parked', run_id)
  redis.call('ZREM', bucket .. 'deadlines', run_id)
  unhold(bucket, record[2], run_id)
  list_ended_run(bucket, run_id, status, record[5], digits(now + record[8]))
  list_thread(bucket, thread_id, now)
  local next_run, queue = '', ''
  if is_head then
    next_run, queue = release(bucket, thread_id, now)
    redis.call('HSET', run, 'next', next_run, 'next_queue', queue)
  else
    redis.call('ZREM', bucket .. 'line:' .. thread_id, run_id)
  end
  -- The last of all: a key that was written after it had expired would be new, and never expire.
  set_lifetimes(bucket, run_id, thread_id, record[3], record[7], record[8], now)
  return next_run, queue
end
