-- ARGV: kind, id, whose it has to be or ''.
local kind, id, owner = ARGV[1], ARGV[2], ARGV[3]
if owner ~= '' and call('HGET', key(kind, id), 'user') ~= owner then
  return 'ok'
end
local remove = {
  account = remove_account,
  authenticator = remove_authenticator,
  session = remove_session,
  token = remove_token,
}
remove[kind](id)
return 'ok'
