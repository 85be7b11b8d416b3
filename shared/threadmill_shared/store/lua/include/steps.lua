-- Write a step's body; an empty status leaves it open. Returns the time at which it began, and its error: the
-- `last_error` of the run (or nil), if that has failed or expired and has ended this step.
local function write_step(bucket, run_id, step, status, body, now, last_error)
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
  local own_error = (status == 'failed' or status == 'expired') and last_error or nil
  if own_error then
    redis.call('HSET', key, step .. ':error', own_error)
  end
  return redis.call('HGET', key, step .. ':began'), own_error
end

-- Close the message and the step that an attempt left open, and say so in the log. The text of an
-- abandoned message stays where it is, in the log: a reader joins it from event `open_from` on. The
-- step is the message's own, or that of a call which the provider executes before the message ends.
local function close_open(bucket, run_id, step_status, reason, now, last_error)
  local run = bucket .. 'run:' .. run_id
  local open = redis.call('HMGET', run, 'open_step', 'open_message', 'open_from', 'message_step')
  local step, message = open[1] or '', open[2] or ''
  local own = open[4] or step -- a worker of an earlier version has not said which step is its own
  if message ~= '' and own ~= '' then
    local began, own_error = write_step(bucket, run_id, own, step_status, '', now, last_error)
    local record = '["mi",' .. message .. ',' .. own .. ',null,"' .. reason .. '","' .. step_status
      .. '",' .. open[3] .. ']'
    log(bucket, run_id, 2, record, now, began, own_error)
    redis.call('HSET', run, 'open_message', '')
    if own == step then
      return
    end
  end
  if step ~= '' then
    local began, own_error = write_step(bucket, run_id, step, step_status, '', now, last_error)
    local body = redis.call('HGET', bucket .. 'steps:' .. run_id, step)
    local record = '["te",' .. step .. ',"' .. step_status .. '",' .. body .. ']'
    log(bucket, run_id, 1, record, now, began, own_error)
  end
end
