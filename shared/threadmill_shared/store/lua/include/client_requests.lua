-- What a client's request has created: a mark (the hash `request`) names it, and is written with it. Who sends the
-- request again, since the answer was lost, gets the same object.
--
-- `requested` says what the request is: '' if there is nothing to be remembered of it, or
--   key <digest of the content> 0 0    its client gave it a key: it is kept for a day
--   try <number> <ms> <0 | 1>          it has none: how often it was sent before, how long ago it came, and whether
--                                      its path tells nothing of whose the object is
-- `made` is the id that the object would get: each request brings another one.
local KEPT_MS, UNDELIVERED_MS, DELIVERED_MS = 86400000, 600000, 10000
local LEAST_PAUSE_MS = 300 -- SDKs wait longer before they send a request again
local MOST_OBJECTS = 32 -- of equal requests; with more, nobody can tell whose an object is that was delivered

-- In the mark of a request without a key, each object has a field: when the request came that got it last, until
-- when it is remembered, how often that request was sent before, whether its answer was delivered, what it would
-- have created, and when the object was created.
local function read_object(text)
  local came, until_when, tries, delivered, by, at =
    string.match(text, '^(%d+) (%d+) (%d+) (%d) (%S+) (%S+)$')
  return {came = came + 0, until_when = until_when + 0, tries = tries + 0, is_delivered = delivered == '1',
    by = by, at = at}
end

local function write_object(request, id, object)
  redis.call('HSET', request, id, table.concat({digits(object.came), digits(object.until_when),
    digits(object.tries), object.is_delivered and '1' or '0', object.by, object.at}, ' '))
end

-- Whether the first is rather the one that is looked for: what was delivered to nobody, what the try before this
-- one got, and of those that were delivered the newest, since the first repeat comes soon.
local function comes_first(one, other)
  if one.is_delivered ~= other.is_delivered then
    return not one.is_delivered
  end
  if one.tries ~= other.tries then
    return one.tries > other.tries
  end
  return (one.came < other.came) ~= one.is_delivered
end

local function find_repeated(request, tries, came, is_shared, made, now, is_unused)
  local objects, best = redis.call('HGETALL', request), nil
  local is_crowded = #objects >= 2 * MOST_OBJECTS
  for i = 1, #objects, 2 do
    local id, object = objects[i], read_object(objects[i + 1])
    object.id = id
    if object.by == made then
      return object -- this very call was applied before
    end
    local is_its = object.until_when > now + 0 and object.tries < tries and came - object.came >= LEAST_PAUSE_MS
      and not (is_shared and is_crowded and object.is_delivered)
    if is_its and not (best and comes_first(best, object)) and (not is_shared or is_unused(id)) then
      best = object
    end
  end
  return best
end

-- Returns `same` or `mismatch`, the object's id and when it was created; nothing if the request is new.
local function find_requested(request, requested, made, now, is_unused)
  local kind, what, ago, shared = string.match(requested, '^(%w+) (%w+) (%d+) ([01])$')
  if kind == 'key' then
    local known = redis.call('HMGET', request, 'id', 'content', 'at')
    if known[1] then
      return known[2] == what and 'same' or 'mismatch', known[1], known[3]
    end
  elseif kind == 'try' and what == '0' then
    local known = redis.call('HGET', request, made)
    if known then
      return 'same', made, read_object(known).at
    end
  elseif kind == 'try' then
    local came, tries = now - ago, what + 0
    local found = find_repeated(request, tries, came, shared == '1', made, now, is_unused)
    if found and found.by ~= made then
      found.came, found.until_when, found.tries, found.is_delivered, found.by =
        came, now + UNDELIVERED_MS, tries, false, made
      write_object(request, found.id, found)
      redis.call('PEXPIRE', request, UNDELIVERED_MS)
    end
    if found then
      return 'same', found.id, found.at
    end
  end
end

-- Remove what is remembered no longer, and one more if there is no room: rather one that was delivered, and the oldest.
local function make_room(request, now)
  local objects, count, last = redis.call('HGETALL', request), 0, nil
  for i = 1, #objects, 2 do
    local object = read_object(objects[i + 1])
    object.id = objects[i]
    if object.until_when <= now + 0 then
      redis.call('HDEL', request, object.id)
    else
      count = count + 1
      local goes = not last or object.is_delivered and not last.is_delivered
        or object.is_delivered == last.is_delivered and object.came < last.came
      last = goes and object or last
    end
  end
  if count >= MOST_OBJECTS then
    redis.call('HDEL', request, last.id)
  end
end

-- The request has created this object.
local function note_requested(request, requested, id, now, at)
  local kind, what, ago = string.match(requested, '^(%w+) (%w+) (%d+) [01]$')
  if kind == 'key' then
    redis.call('HSET', request, 'id', id, 'content', what, 'at', at)
    redis.call('PEXPIRE', request, KEPT_MS)
  elseif kind == 'try' then
    make_room(request, now)
    write_object(request, id, {came = now - ago, until_when = now + UNDELIVERED_MS, tries = what + 0,
      is_delivered = false, by = id, at = at})
    redis.call('PEXPIRE', request, UNDELIVERED_MS)
  end
end
