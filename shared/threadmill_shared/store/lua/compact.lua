-- Make what a run that has ended a while ago has written take less room.
--
-- One entry of its log takes the place of many that have a piece of the same text each. It has the number
-- of the last event in it, and `d`, the milliseconds from its first event to its last, so every reader finds
-- the same events at the same places. But a reader of an earlier release compares what it has read last with
-- what is stored there, and takes the change for a loss: so nothing changes while anybody is subscribed
-- to the log. In a cluster, whose nodes have subscribers of their own, the caller has asked the others.
--
-- A stream has room for further entries, often more than its entries take. A copy has none, so the log and
-- a short thread are replaced by copies of themselves.
--
-- keys: run
-- args: bucket run_id
-- rest: none
--
-- replies: {ok, entries of the log before, entries afterwards}
-- refusals: {moved} it has not ended, or its log is gone or very long; {followed} somebody follows it
-- include: none
local MOST_ENTRIES = 5000 -- Redis does nothing else meanwhile
local MOST_ITEMS = 20
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
for _, entry in ipairs(redis.call('XRANGE', source, '-', '+')) do
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
local copied = copy(made, source)
if copied ~= 1 then
  return copied
end
redis.call('PEXPIRE', source, lifetime)

local items = bucket .. 'items:' .. record[2]
if redis.call('XLEN', items) <= MOST_ITEMS and copy(items, made) == 1 then
  copy(made, items)
end
redis.call('DEL', made)
return {'ok', length, count}
