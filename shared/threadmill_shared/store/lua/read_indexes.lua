-- Read the next entries of some indexes, each from its newest to its oldest (`desc`) or the other way (`asc`):
-- those behind the entry `id` at the score `start`, or if `id` is empty those from `start` to `stop`. An entry
-- that is gone meanwhile is found as well, since its place is looked for, not the entry.
--
-- keys: first
-- args: names order start id stop count
-- rest: the buckets' prefixes, or in a cluster one of them
--
-- Each bucket has indexes of these `names`; `first` is one of them.
-- replies: {ok, for each index: {id, score, ...}}; at most `count` of each
-- include: none
local ascends = order == 'asc'
local by_rank = ascends and 'ZRANGE' or 'ZREVRANGE'
local by_score = ascends and 'ZRANGEBYSCORE' or 'ZREVRANGEBYSCORE'

local function before(index) -- how many have a score that comes before `start`
  if ascends then
    return redis.call('ZCOUNT', index, '-inf', '(' .. start)
  end
  return redis.call('ZCOUNT', index, '(' .. start, '+inf')
end

local function comes_after(member)
  if ascends then
    return member > id
  end
  return member < id
end

local function behind(index)
  local from = before(index)
  local to = from + redis.call('ZCOUNT', index, start, start)
  while from < to do -- entries with one score stand by their ids; more than one are rare
    local middle = math.floor((from + to) / 2)
    if comes_after(redis.call(by_rank, index, middle, middle)[1]) then
      to = middle
    else
      from = middle + 1
    end
  end
  return redis.call(by_rank, index, from, from + count - 1, 'WITHSCORES')
end

local found = {'ok'}
for _, bucket in ipairs(rest) do
  for name in string.gmatch(names, '%S+') do
    local index = bucket .. name
    found[#found + 1] = id ~= '' and behind(index)
      or redis.call(by_score, index, start, stop, 'WITHSCORES', 'LIMIT', 0, count)
  end
end
return found
