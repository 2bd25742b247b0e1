-- ARGV: address. Returns id and fields.
local id = call('HGET', prefix .. 'emails', ARGV[1])
if not id then
  return nil
end
return { id, row('user', id) }
