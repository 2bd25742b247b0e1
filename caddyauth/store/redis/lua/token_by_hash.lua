-- ARGV: hash. Returns id, fields, and the fields of the user.
local id = call('HGET', prefix .. 'token-hashes', ARGV[1])
if not id then
  return nil
end
return { id, row('token', id), row('user', call('HGET', key('token', id), 'user')) }
