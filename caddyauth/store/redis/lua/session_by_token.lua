-- ARGV: token. Returns id, fields, and the fields of the user.
local id = call('GET', key('session-token', ARGV[1]))
if not id then
  return nil
end
local session = row('session', id)
if not session then
  return nil
end
return { id, session, row('user', call('HGET', key('session', id), 'user')) }
