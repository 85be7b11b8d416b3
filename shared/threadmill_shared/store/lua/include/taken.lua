-- Who executes a call of a parked run, and until when nobody else may. Returns two values, or nothing.
local function taken_by(calls, call_id)
  local found = redis.call('HGET', calls, '@' .. call_id)
  if found then
    return string.match(found, '^(%S+) (%d+)$')
  end
end
