-- Make what a run that has ended a while ago has written take less room.
--
-- One entry of its log takes the place of many that have a piece of the same text each. It has the number
-- of the last event in it, and `d`, the milliseconds from its first event to its last, so every reader finds
-- the same events at the same places. But a reader of an earlier release compares what it has read last with
-- what is stored there, and takes the change for a loss: so nothing changes while anybody is subscribed
-- to the log. In a cluster, whose nodes have subscribers of their own, the caller has asked the others.
--
-- A stream has room for further entries, often more than its entries take. A copy has none, so the log and
-- a short thread are replaced by copies of themselves. Redis does nothing else meanwhile, so what is long or
-- large stays as it is: most of that is not room.
--
-- keys: run
-- args: bucket run_id
-- rest: none
--
-- replies: {ok, entries of the log before, entries afterwards}
-- refusals: {moved} it has not ended, or its log is gone or very large; {followed} somebody follows it;
--   {denied} the user has no right to copy
-- include: none
local MOST_ENTRIES, MOST_BYTES = 5000, 500000 -- of the log
local MOST_ITEMS, MOST_ITEM_BYTES = 20, 20000 -- of the thread
local PAGE = 30 -- an entry can be of any size
local LONGEST = 4000 -- bytes of texts in an entry, so that no page of entries is large
local PAUSE_MS = 1000 -- what comes after a longer one is not joined: the times between are taken to be even

local source, made = bucket .. 'log:' .. run_id, bucket .. 'compacted:' .. run_id
local record = redis.call('HMGET', run, 'ended_at', 'thread_id')
local lifetime, length = redis.call('PTTL', source), redis.call('XLEN', source)
if not record[1] or lifetime < 0 or length > MOST_ENTRIES then
  return {'moved'}
end
local subscribers = redis.pcall('PUBSUB', 'NUMSUB', source)
if subscribers.err or subscribers[2] > 0 then
  return {'followed'}
end

-- The entries of a stream; nil if they are larger.
local function entries_of(stream, most_bytes)
  local entries, size, from = {}, 0, '-'
  repeat
    local page = redis.call('XRANGE', stream, from, '+', 'COUNT', PAGE)
    for _, entry in ipairs(page) do
      size = size + #entry[2][2]
      if size > most_bytes then
        return nil
      end
      entries[#entries + 1] = entry
    end
    from = #page > 0 and '(' .. page[#page][1]
  until #page < PAGE
  return entries
end

local entries = entries_of(source, MOST_BYTES)
if not entries then
  return {'moved'}
end

-- What stands before and between the brackets of an entry with one record of texts.
local function texts_of(fields)
  if #fields == 4 and fields[1] == 'e' and fields[3] == 't' and not string.find(fields[2], ']],[', 1, true) then
    return string.match(fields[2], '^(%["h?d",%d+,%[)(.*)%]%]$')
  end
end

local count, joined = 0, nil

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

-- Whoever has no right to copy keeps what is there, and nothing else.
local function copy(from, to)
  local done = redis.pcall('COPY', from, to, 'REPLACE')
  if type(done) == 'table' then
    redis.call('DEL', made)
  end
  return done
end

redis.call('DEL', made) -- first what makes room: a full server lets the rest through then
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
if copy(made, source) ~= 1 then
  return {'denied'}
end
redis.call('PEXPIRE', source, lifetime)

local items = bucket .. 'items:' .. record[2]
if redis.call('XLEN', items) <= MOST_ITEMS and entries_of(items, MOST_ITEM_BYTES) and copy(items, made) == 1 then
  copy(made, items)
end
redis.call('DEL', made)
return {'ok', length, count}
