-- Somebody takes the run away from a holder that is gone or does not execute it; the token is retired.
--
-- A death counts if `counts` is 1. Deaths are forgotten when a turn is finished (`deaths`), those
-- in the middle of a tool call when a tool call is finished (`call_deaths`), so only a run that gets
-- nowhere runs out of them: one that dies in its tool calls after `max_deaths`, one that was merely
-- waiting for a model after three times as many, since it may have died of another run's tool.
--
-- keys: run
-- args: bucket run_id holder token counts max_deaths jitter
-- rest: none
--
-- replies: {ok | again, the run's own queue, milliseconds until it is to be sent}
-- refusals, nothing written:
--   moved        the run is no longer this holder's
--   cancelling   it is to be ended by force
--   spent        it has died too often; it is to be ended by force
-- include: clock full_store log items steps hold dispatch indexes list_run requeue
local PATIENCE_WITH_MODELS = 3
local PAUSES_MS = {0, 1000, 5000}
local LONGEST_PAUSE_MS = 20000

local function was_calling()
  for _, name in ipairs(redis.call('HKEYS', bucket .. 'calls:' .. run_id)) do
    if string.sub(name, 1, 1) == '!' then
      return 1
    end
  end
  return 0
end

local record = redis.call('HMGET', run, 'status', 'holder', 'token', 'retired', 'queue', 'deaths',
  'call_deaths', 'pause')
if record[1] == 'queued' and record[4] == token then
  return {'again', record[5], tonumber(record[8] or 0)}
end
if record[2] ~= holder or record[3] ~= token then
  return {'moved'}
end
if record[1] == 'cancelling' then
  return {'cancelling'}
end
if record[1] ~= 'in_progress' then
  return {'moved'}
end
local pause = 0
if counts == '1' then
  local deaths = tonumber(record[6] or 0) + 1
  local call_deaths = tonumber(record[7] or 0) + was_calling()
  if call_deaths >= tonumber(max_deaths) or deaths >= PATIENCE_WITH_MODELS * max_deaths then
    return {'spent'}
  end
  -- Jitter, from 0 to 1: the runs of one dead worker must not all come back at once.
  pause = math.floor((PAUSES_MS[deaths] or LONGEST_PAUSE_MS) * (0.75 + 0.5 * jitter))
  allow_when_full(run)
  redis.call('HSET', run, 'deaths', deaths, 'call_deaths', call_deaths)
end
allow_when_full(run)
redis.call('HSET', run, 'pause', pause)
requeue(bucket, run_id, pause, clock())
return {'ok', record[5], pause}
