-- Read the next entries of some indexes, each from its newest to its oldest: those behind the entry `id`
-- at the score `high`, or if `id` is empty those with at most the score `high`. An entry that is gone
-- meanwhile is found as well, since its place is looked for, not the entry.
--
-- keys: first
-- args: names high id low count
-- rest: the buckets' prefixes, or in a cluster one of them
--
-- Each bucket has indexes of these `names`; `first` is one of them.
-- replies: {ok, for each index: {id, score, ...}}; at most `count` of each
-- include: none
local function behind(index)
  local from = redis.call('ZCOUNT', index, '(' .. high, '+inf')
  local to = from + redis.call('ZCOUNT', index, high, high)
  while from < to do -- entries with one score stand by their ids; more than one are rare
    local middle = math.floor((from + to) / 2)
    if redis.call('ZREVRANGE', index, middle, middle)[1] < id then
      to = middle
    else
      from = middle + 1
    end
  end
  return redis.call('ZREVRANGE', index, from, from + count - 1, 'WITHSCORES')
end

local found = {'ok'}
for _, bucket in ipairs(rest) do
  for name in string.gmatch(names, '%S+') do
    local index = bucket .. name
    found[#found + 1] = id ~= '' and behind(index)
      or redis.call('ZREVRANGEBYSCORE', index, high, low, 'WITHSCORES', 'LIMIT', 0, count)
  end
end
return found
