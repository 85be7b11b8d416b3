-- The indexes that lists are read from. `words` are the names of sorted sets of the bucket, with blanks
-- between them; values that users choose are in them as a digest, so that no name can grow.
local function digest_of(text)
  return string.sub(redis.sha1hex(text), 1, 16)
end

-- What JSON has as an object; an empty table if it has none.
local function decoded(text)
  local is_json, value = pcall(cjson.decode, text or '')
  return is_json and type(value) == 'table' and value or {}
end

-- What a list is sorted by only grows, so that a late write does not set it back.
local function add_to_indexes(bucket, words, score, id)
  for word in string.gmatch(words, '%S+') do
    redis.call('ZADD', bucket .. word, 'GT', score, id)
  end
end

local function remove_from_indexes(bucket, words, id)
  for word in string.gmatch(words, '%S+') do
    redis.call('ZREM', bucket .. word, id)
  end
end
