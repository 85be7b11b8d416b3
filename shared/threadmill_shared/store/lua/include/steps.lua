-- Write a step's body; an empty status leaves it open. Returns the time at which it began.
local function write_step(bucket, run_id, step, status, body, now)
  local key = bucket .. 'steps:' .. run_id
  redis.call('HSETNX', key, step .. ':began', now)
  if body ~= '' then
    redis.call('HSET', key, step, body)
  end
  if status == '' then
    redis.call('HSET', bucket .. 'run:' .. run_id, 'open_step', step)
    return ''
  end
  redis.call('HSET', key, step .. ':ended', status .. ' ' .. now)
  redis.call('HSET', bucket .. 'run:' .. run_id, 'open_step', '')
  return redis.call('HGET', key, step .. ':began')
end

-- Close the message and the step that an attempt left open, and say so in the log. If that is because the run
-- has failed or expired, its `last_error` is the step's, too. The text of an
-- abandoned message stays where it is, in the log: a reader joins it from event `open_from` on. The
-- step is the message's own, or that of a call which the provider executes before the message ends.
local function close_open(bucket, run_id, step_status, reason, now, last_error)
  local run = bucket .. 'run:' .. run_id
  local function close(step)
    if last_error then
      redis.call('HSET', bucket .. 'steps:' .. run_id, step .. ':error', last_error)
    end
    return write_step(bucket, run_id, step, step_status, '', now)
  end
  local open = redis.call('HMGET', run, 'open_step', 'open_message', 'open_from', 'message_step')
  local step, message = open[1] or '', open[2] or ''
  local own = open[4] or step -- a worker of an earlier version has not said which step is its own
  if message ~= '' and own ~= '' then
    local began = close(own)
    local record = '["mi",' .. message .. ',' .. own .. ',null,"' .. reason .. '","' .. step_status
      .. '",' .. open[3] .. ']'
    log(bucket, run_id, 2, record, now, began)
    redis.call('HSET', run, 'open_message', '')
    if own == step then
      return
    end
  end
  if step ~= '' then
    local began = close(step)
    local body = redis.call('HGET', bucket .. 'steps:' .. run_id, step)
    log(bucket, run_id, 1, '["te",' .. step .. ',"' .. step_status .. '",' .. body .. ']', now, began)
  end
end
