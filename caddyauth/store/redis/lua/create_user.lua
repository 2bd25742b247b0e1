-- ARGV: id, address or '', name of the account or '', number of the user's
-- fields, these, the account's fields.
local id, email, account, n = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local emails = prefix .. 'emails'
if email ~= '' and call('HEXISTS', emails, email) == 1 then
  return 'conflict'
end
if account ~= '' and call('EXISTS', key('account', account)) == 1 then
  return 'conflict'
end
call('HSET', key('user', id), unpack(ARGV, 5, 4 + n))
if email ~= '' then
  call('HSET', emails, email, id)
end
if account ~= '' then
  call('HSET', key('account', account), unpack(ARGV, 5 + n))
  call('ZADD', key('user-accounts', id), 0, account)
end
return 'ok'
