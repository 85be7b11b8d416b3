-- The server's time in milliseconds, as a string of digits: Lua's own conversion of a number this
-- large to text would lose its last digits.
local function clock()
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', math.floor(time[2] / 1000))
end

local function digits(number)
  return string.format('%.0f', number)
end
