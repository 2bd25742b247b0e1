-- ARGV: name of the account. Returns id and fields of its user.
local id = call('HGET', key('account', ARGV[1]), 'user')
if not id then
  return nil
end
return { id, row('user', id) }
