-- ARGV: id.
local id = ARGV[1]
for kind, remove in pairs({
  ['user-sessions'] = remove_session,
  ['user-accounts'] = remove_account,
  ['user-authenticators'] = remove_authenticator,
  ['user-tokens'] = remove_token,
}) do
  local index = key(kind, id)
  for _, name in ipairs(call('ZRANGE', index, 0, -1)) do
    remove(name)
  end
  call('DEL', index)
end
local k = key('user', id)
local email = call('HGET', k, 'email')
if email and email ~= '' then
  call('HDEL', prefix .. 'emails', email)
end
call('DEL', k)
return 'ok'
