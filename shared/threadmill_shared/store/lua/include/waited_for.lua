-- What a parked run waits for: 'approval' while anybody has to decide, else 'output', else nothing.
local function waited_for(calls)
  local found
  local marks = redis.call('HGETALL', calls)
  for i = 1, #marks, 2 do
    if string.sub(marks[i], 1, 1) == '?' and found ~= 'approval' then
      found = marks[i + 1]
    end
  end
  return found
end
