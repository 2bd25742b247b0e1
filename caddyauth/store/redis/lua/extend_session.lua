-- ARGV: id, end as it should be, as it shall be, time last seen, milliseconds to
-- keep it.
local id, from, to, seen, ttl = unpack(ARGV)
local k = key('session', id)
local owner, token, expires = unpack(call('HMGET', k, 'user', 'token', 'expires'))
if not owner or expires ~= from then
  return 0
end
call('HSET', k, 'expires', to, 'seen', seen)
live(k, ttl)
if token then
  live(key('session-token', token), ttl)
end
own_session(owner, id, ttl)
due('session:' .. id, to)
return 1
