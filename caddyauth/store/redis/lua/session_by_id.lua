-- ARGV: id. Returns it, the fields, and the fields of the user.
local session = row('session', ARGV[1])
if not session then
  return nil
end
return { ARGV[1], session, row('user', call('HGET', key('session', ARGV[1]), 'user')) }
