-- How many runs wait in some buckets: for a worker, by queue, and for an answer from outside, by kind.
--
-- Of each index at most `sample` runs are read, evenly spread over it; each stands for as many as were
-- left out beside it. So the cost has a bound, and up to so many runs in a bucket are counted exactly.
--
-- keys: deadlines
-- args: sample
-- rest: the buckets' prefixes
--
-- replies: {ok, the server's time, (queue, runs, when the oldest was queued)*,
--   (approval | output, runs, when the oldest was parked)*}
-- include: clock waited_for
local now = clock()
local queued, oldest, parked, longest = {}, {}, {}, {}

-- Some runs of an index, and for how many each of them stands.
local function some(index)
  local total = redis.call('ZCARD', index)
  if total <= tonumber(sample) then
    return redis.call('ZRANGE', index, 0, -1), 1
  end
  local found = {}
  for i = 1, sample do
    local place = math.floor((i - 1) * total / sample)
    found[i] = redis.call('ZRANGE', index, place, place)[1]
  end
  return found, total / sample
end

local function add(counts, name, number)
  counts[name] = (counts[name] or 0) + number
end

for _, bucket in ipairs(rest) do
  local found, each = some(bucket .. 'dispatched')
  for _, run_id in ipairs(found) do
    local record = redis.call('HMGET', bucket .. 'run:' .. run_id, 'queue', 'queued_at', 'created_at')
    if record[1] then -- else somebody has deleted the record by hand
      add(queued, record[1], each)
      local since = tonumber(record[2] or record[3])
      oldest[record[1]] = math.min(oldest[record[1]] or since, since)
    end
  end
  found, each = some(bucket .. 'parked')
  for _, run_id in ipairs(found) do
    local kind = waited_for(bucket .. 'calls:' .. run_id) or 'output'
    add(parked, kind, each)
    local since = tonumber(redis.call('ZSCORE', bucket .. 'parked', run_id))
    longest[kind] = math.min(longest[kind] or since, since)
  end
end

local queues, kinds = {}, {}
for queue, number in pairs(queued) do
  queues[#queues + 1] = queue
  queues[#queues + 1] = tostring(number)
  queues[#queues + 1] = digits(oldest[queue])
end
for kind, number in pairs(parked) do
  kinds[#kinds + 1] = kind
  kinds[#kinds + 1] = tostring(number)
  kinds[#kinds + 1] = digits(longest[kind])
end
return {'ok', now, queues, kinds}
