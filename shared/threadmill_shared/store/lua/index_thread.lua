-- Put a thread and some of its runs into the indexes of lists, where an earlier release has not done so, or
-- has changed them without moving their entries.
--
-- keys: thread
-- args: bucket thread_id after count
-- rest: none
--
-- `after` is '' at first, then what the last call has said; a call takes `count` runs.
-- replies: {ok, how many entries were missing or wrong, what the next call begins at or '', how many runs}
-- include: clock indexes list_run list_thread
local known = redis.call('HMGET', thread, 'created_at', 'metadata', 'listed', 'head')
if not known[1] then
  return {'ok', 0, '', 0}
end
local now, missing = clock(), 0
local runs = bucket .. 'runs:' .. thread_id

local function last_activity()
  local at = known[1] + 0
  local item = redis.call('XREVRANGE', bucket .. 'items:' .. thread_id, '+', '-', 'COUNT', 1)[1]
  for i = 1, item and #item[2] or 0, 2 do
    at = item[2][i] == 't' and math.max(at, item[2][i + 1]) or at
  end
  local newest = redis.call('ZREVRANGE', runs, 0, 0)[1]
  local record = newest and redis.call('HMGET', bucket .. 'run:' .. newest, 'created_at', 'ended_at') or {}
  return digits(math.max(at, record[1] or 0, record[2] or 0))
end

if after == '' then
  local words, at = metadata_words(bucket, known[2]) or '', last_activity()
  local place = redis.call('ZSCORE', bucket .. 'active', thread_id)
  local is_late = place and place + 0 < at + 0
  if words ~= (known[3] or '') or not place or is_late then
    -- A run that is in progress writes items; its end will move the thread.
    missing = is_late and words == (known[3] or '') and (known[4] or '') ~= '' and 0 or 1
    remove_from_indexes(bucket, known[3] or '', thread_id)
    redis.call('HDEL', thread, 'listed')
    list_thread(bucket, thread_id, place and math.max(place, at) or at)
  end
end

local page = redis.call('ZRANGEBYSCORE', runs, after == '' and '-inf' or after, '+inf', 'WITHSCORES', 'LIMIT',
  0, count)
for i = 1, #page, 2 do
  local run = bucket .. 'run:' .. page[i]
  local record = redis.call('HMGET', run, 'status', 'listed', 'ended_at', 'last_error')
  local is_right = record[2] and string.match(record[2], '^%S+') == 'status:' .. (record[1] or '')
  if record[1] and not is_right then
    missing = missing + 1
    if record[3] then
      list_ended_run(bucket, page[i], record[1], record[4], gone_at(run, now))
    else
      list_run(bucket, page[i], record[1])
    end
  end
end
local last = #page == 2 * count and page[#page] or ''
return {'ok', missing, last == after and last ~= '' and '(' .. last or last, #page / 2}
