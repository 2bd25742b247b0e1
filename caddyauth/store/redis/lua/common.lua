-- Every script begins with this. KEYS[1] is the prefix of all keys, and no key
-- itself; why it is given as one is told in script.go.
local prefix = KEYS[1]
local call = redis.call

local function key(kind, id)
  return prefix .. kind .. ':' .. id
end

-- row returns all fields of a thing, names and values in turn, or nil.
local function row(kind, id)
  local fields = call('HGETALL', key(kind, id))
  if #fields > 0 then
    return fields
  end
end

-- live gives a key the milliseconds that it has left; '0' is for ever.
local function live(k, ttl)
  if ttl == '0' then
    call('PERSIST', k)
  else
    call('PEXPIRE', k, ttl)
  end
end

-- due notes when the sweep may remove a thing; '' is never.
local function due(thing, at)
  if at == '' then
    call('ZREM', prefix .. 'due', thing)
  else
    call('ZADD', prefix .. 'due', at, thing)
  end
end
