-- ARGV: id, address or '', all fields.
local id, email = ARGV[1], ARGV[2]
local k, emails = key('user', id), prefix .. 'emails'
local old = call('HGET', k, 'email')
if not old then
  return 'missing'
end
if email ~= old then
  if email ~= '' and call('HEXISTS', emails, email) == 1 then
    return 'conflict'
  end
  if email ~= '' then
    call('HSET', emails, email, id)
  end
  if old ~= '' then
    call('HDEL', emails, old)
  end
end
call('HSET', k, unpack(ARGV, 3))
return 'ok'
