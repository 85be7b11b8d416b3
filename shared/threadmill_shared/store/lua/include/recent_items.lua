-- A thread's newest items with their positions, oldest first, as far as they are few and not large: most conversations are
-- no longer, and who claims a run needs them at once. What is missing is read later, in pages.
local FIRST_PAGE = 4 -- items can be of any size, and nobody else is served meanwhile

local function recent_items(bucket, thread_id, most, most_bytes)
  local newest, size, from = {}, 0, '+'
  local function take(count)
    local page = redis.call('XREVRANGE', bucket .. 'items:' .. thread_id, from, '-', 'COUNT', count)
    for _, entry in ipairs(page) do
      size = size + #entry[2][2]
      if size > most_bytes then
        return false
      end
      newest[#newest + 1], from = entry, '(' .. entry[1]
    end
    return #page == count
  end
  if take(FIRST_PAGE) then
    take(most - FIRST_PAGE)
  end
  local items = {}
  for at = #newest, 1, -1 do
    items[#items + 1] = string.match(newest[at][1], '^%d+')
    items[#items + 1] = newest[at][2][2]
  end
  return items
end
