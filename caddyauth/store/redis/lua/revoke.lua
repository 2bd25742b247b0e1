-- ARGV: id, its times, when it is due.
local id, times, at = ARGV[1], ARGV[2], ARGV[3]
-- Its number is the time in microseconds, and greater than all before: so numbers
-- do not come back when the data are lost, or a replica without the last ones
-- takes over.
local now = call('TIME')
local number = math.max(now[1] * 1000000 + now[2], 1 + (tonumber(call('GET', prefix .. 'revocation-number') or 0)))
number = string.format('%.0f', number)
call('SET', prefix .. 'revocation-number', number)
call('HSET', prefix .. 'revocations', id, times)
call('ZADD', prefix .. 'revocation-log', number, id)
due('revocation:' .. id, at)
call('PUBLISH', prefix .. 'revoked', number)
return 'ok'
