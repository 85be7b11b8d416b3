-- Make what a run that has ended a while ago has written take less room, a part of its log in each call.
--
-- One entry of its log takes the place of many that have a piece of the same text each. It has the number
-- of the last event in it, and `d`, the milliseconds from its first event to its last, so every reader finds
-- the same events at the same places. But a reader of an earlier release compares what it has read last with
-- what is stored there, and takes the change for a loss: so nothing changes while anybody is subscribed
-- to the log. In a cluster, whose nodes have subscribers of their own, the caller has asked the others.
--
-- A stream and a hash have room for more, often more than they hold. A copy has none, so the log, the
-- record and a short thread are replaced by copies of themselves. Redis does nothing else meanwhile, so
-- a call joins a part of a long log, and what has large entries stays as it is: most of that is not room.
--
-- keys: run
-- args: bucket run_id
-- rest: none
--
-- replies: {ok | more, entries of this part of the log, entries that take their place}
-- refusals: {moved} it has not ended, or its log has large entries; {followed} somebody follows it;
--   {denied} the user has no right to copy
-- include: none
local PART, MOST_BYTES = 250, 500000 -- of the log, in a call
local MOST_ITEMS, MOST_ITEM_BYTES = 20, 20000 -- of the thread
local PAGE = 30 -- an entry can be of any size
local LONGEST = 4000 -- bytes of texts in an entry, so that no page of entries is large
local PAUSE_MS = 1000 -- what comes after a longer one is not joined: the times between are taken to be even

local source, made = bucket .. 'log:' .. run_id, bucket .. 'compacted:' .. run_id
local record = redis.call('HMGET', run, 'ended_at', 'thread_id')
local lifetime = redis.call('PTTL', source)
if not record[1] then
  redis.call('DEL', made) -- of a run that was removed meanwhile, its texts
  return {'moved'}
end
local subscribers = redis.pcall('PUBSUB', 'NUMSUB', source)
if subscribers.err or subscribers[2] > 0 then
  redis.call('DEL', made)
  return {'followed'}
end

-- At most so many entries of a stream, from a place on; nil if they are larger.
local function entries_of(stream, from, most, most_bytes)
  local entries, size = {}, 0
  repeat
    local page = redis.call('XRANGE', stream, from, '+', 'COUNT', math.min(PAGE, most - #entries))
    for _, entry in ipairs(page) do
      size = size + #entry[2][2]
      if size > most_bytes then
        return nil
      end
      entries[#entries + 1] = entry
    end
    from = #page > 0 and '(' .. page[#page][1]
  until #page < PAGE or #entries == most
  return entries
end

-- Whoever has no right to copy keeps what is there.
local function copy(from, to)
  local done = redis.pcall('COPY', from, to, 'REPLACE')
  return type(done) ~= 'table' and done == 1
end

-- By a copy of itself, which has no room for more.
local function replace(key)
  local is_copied = copy(key, made) and copy(made, key)
  redis.call('DEL', made)
  return is_copied
end

-- What only the execution of a run needs, and whoever ends it, goes.
local function replace_record()
  redis.call('HDEL', run, 'queued_at', 'deadline', 'limit_ms', 'park_ms', 'approval_ms', 'log_ms', 'run_ms', 'idem',
    'token', 'retired', 'serial', 'holder', 'bell', 'task', 'reported_by', 'deaths', 'call_deaths', 'pause',
    'next_message', 'next_step', 'open_message', 'message_step', 'open_from', 'open_step', 'next', 'next_queue')
  replace(run)
end

local function replace_items()
  local items = bucket .. 'items:' .. record[2]
  if redis.call('XLEN', items) <= MOST_ITEMS and entries_of(items, '-', MOST_ITEMS, MOST_ITEM_BYTES) then
    replace(items)
  end
end

-- The key that the log is made in tells how far earlier calls have come.
local written = redis.call('XREVRANGE', made, '+', '-', 'COUNT', 1)[1]
if written then
  redis.call('PEXPIRE', made, lifetime) -- first what cannot grow: a full server lets the rest through then
else
  redis.call('DEL', made)
  if not replace(run) then
    return {'denied'}
  end
  replace_record()
  replace_items()
end

-- What stands before and between the brackets of an entry with one record of texts.
local function texts_of(fields)
  if #fields == 4 and fields[1] == 'e' and fields[3] == 't' and not string.find(fields[2], ']],[', 1, true) then
    return string.match(fields[2], '^(%["h?d",%d+,%[)(.*)%]%]$')
  end
end

local joined, count = nil, 0

local function write(id, fields)
  redis.call('XADD', made, id, unpack(fields))
  count = count + 1
end

local function close()
  if joined and #joined.texts == 1 then
    write(joined.id, {'e', joined.head .. joined.texts[1] .. ']]', 't', joined.at})
  elseif joined then
    local records = joined.head .. table.concat(joined.texts, ',') .. ']]'
    write(joined.id, {'e', records, 't', joined.at, 'd', joined.at - joined.since})
  end
  joined = nil
end

local entries = entries_of(source, written and '(' .. written[1] or '-', PART, MOST_BYTES)
if not entries or lifetime < 0 then
  redis.call('DEL', made)
  return {'moved'}
end
for _, entry in ipairs(entries) do
  local fields = entry[2]
  local head, texts = texts_of(fields)
  if not joined or joined.head ~= head or joined.size + #texts > LONGEST or fields[4] - joined.at > PAUSE_MS then
    close()
    joined = head and {head = head, texts = {}, size = 0, since = fields[4]}
  end
  if joined then
    joined.texts[#joined.texts + 1] = texts
    joined.id, joined.at, joined.size = entry[1], fields[4], joined.size + #texts
  else
    write(entry[1], fields)
  end
end
close()
if #entries == PART then
  redis.call('PEXPIRE', made, lifetime)
  return {'more', #entries, count}
end
if copy(made, source) then
  redis.call('PEXPIRE', source, lifetime)
end
redis.call('DEL', made)
return {'ok', #entries, count}
