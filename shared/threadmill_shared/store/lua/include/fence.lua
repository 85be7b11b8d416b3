-- Compare what a holder brings with the record: its token for equality, its serial with the last one
-- applied. Returns nil if the write is to be applied, else the outcome to answer; with nil and `again`
-- also the number of the last event, and the status.
--   stale     another attempt holds the run, or it has ended without this writer
--   again     this very write was applied before, and its answer was lost
--   rewound   the store has gone back to an earlier state (a failover lost writes)
--   refused   an older write than the last one
local function fence(run, token, serial)
  local record = redis.call('HMGET', run, 'token', 'serial', 'status', 'events')
  if record[1] ~= token then
    return 'stale'
  end
  local last, this = tonumber(record[2]), tonumber(serial)
  if this == last then
    return 'again', tonumber(record[4]), record[3]
  end
  if this > last + 1 then
    return 'rewound'
  end
  if this < last then
    return 'refused'
  end
  if record[3] ~= 'in_progress' and record[3] ~= 'cancelling' then
    return 'stale'
  end
  return nil, tonumber(record[4]), record[3]
end
