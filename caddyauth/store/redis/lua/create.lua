-- Keeps a new thing of a user's: an account, passkey or personal access token.
-- ARGV: kind, id, user's id, when it is due, another name that nobody else may
-- have or '', fields.
local kind, id, owner, at, name = unpack(ARGV, 1, 5)
if call('EXISTS', key('user', owner)) == 0 then
  return 'missing'
end
local k, names = key(kind, id), prefix .. kind .. '-hashes'
if call('EXISTS', k) == 1 or name ~= '' and call('HEXISTS', names, name) == 1 then
  return 'conflict'
end
call('HSET', k, unpack(ARGV, 6))
call('ZADD', key('user-' .. kind .. 's', owner), 0, id)
if kind == 'token' then
  call('ZADD', prefix .. 'tokens', 0, id)
end
if name ~= '' then
  call('HSET', names, name, id)
end
due(kind .. ':' .. id, at)
return 'ok'
