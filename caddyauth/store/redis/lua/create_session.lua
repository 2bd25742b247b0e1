-- ARGV: id, token or '', user's id, when it is due, milliseconds to keep it,
-- fields.
local id, token, owner, at, ttl = unpack(ARGV, 1, 5)
if call('EXISTS', key('user', owner)) == 0 then
  return 'missing'
end
local k, t = key('session', id), key('session-token', token)
if call('EXISTS', k) == 1 or token ~= '' and call('EXISTS', t) == 1 then
  return 'conflict'
end
call('HSET', k, unpack(ARGV, 6))
live(k, ttl)
if token ~= '' then
  call('SET', t, id)
  live(t, ttl)
end
call('ZADD', prefix .. 'sessions', 0, id)
own_session(owner, id, ttl)
due('session:' .. id, at)
return 'ok'
