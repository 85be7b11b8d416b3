-- How many runs wait in some buckets: for a worker, by queue and by whether they have begun, and for an
-- answer from outside, by kind.
--
-- Of each index at most `sample` runs are read, evenly spread over it; each stands for as many as were
-- left out beside it. So the cost has a bound, and up to so many runs in a bucket are counted exactly.
--
-- keys: deadlines
-- args: sample
-- rest: the buckets' prefixes
--
-- replies: {ok, the server's time, (queue, 1 if they have begun else 0, runs, when the oldest was queued)*,
--   (approval | output, runs, when the oldest was parked)*, 1 if some were left out else 0}
-- include: clock waited_for
local now = clock()
local queued, parked, sampled = {{}, {}}, {}, 0 -- queued: those that have not begun, and those that have

-- Some runs of an index, and for how many each of them stands.
local function some(index)
  local total = redis.call('ZCARD', index)
  if total <= tonumber(sample) then
    return redis.call('ZRANGE', index, 0, -1), 1
  end
  sampled = 1
  local found = {}
  for i = 1, sample do
    local place = math.floor((i - 1) * total / sample)
    found[i] = redis.call('ZRANGE', index, place, place)[1]
  end
  return found, total / sample
end

-- One run that stands for `each` of this name, and has waited since then.
local function add(counts, name, each, since)
  local known = counts[name] or {runs = 0, since = since}
  counts[name] = {runs = known.runs + each, since = math.min(known.since, since)}
end

for _, bucket in ipairs(rest) do
  local found, each = some(bucket .. 'dispatched')
  for _, run_id in ipairs(found) do
    local record = redis.call('HMGET', bucket .. 'run:' .. run_id, 'queue', 'attempts', 'queued_at',
      'created_at')
    if record[1] then -- else somebody has deleted the record by hand
      local has_begun = tonumber(record[2] or 0) > 0
      add(queued[has_begun and 2 or 1], record[1], each, tonumber(record[3] or record[4]))
    end
  end
  found, each = some(bucket .. 'parked')
  for _, run_id in ipairs(found) do
    local kind = waited_for(bucket .. 'calls:' .. run_id) or 'output'
    local since = tonumber(redis.call('ZSCORE', bucket .. 'parked', run_id))
    add(parked, kind, each, since)
  end
end

local found, kinds = {}, {}
for place, queues in ipairs(queued) do
  for queue, known in pairs(queues) do
    found[#found + 1] = queue
    found[#found + 1] = place - 1
    found[#found + 1] = tostring(known.runs)
    found[#found + 1] = digits(known.since)
  end
end
for kind, known in pairs(parked) do
  kinds[#kinds + 1] = kind
  kinds[#kinds + 1] = tostring(known.runs)
  kinds[#kinds + 1] = digits(known.since)
end
return {'ok', now, found, kinds, sampled}
