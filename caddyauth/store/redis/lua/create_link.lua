-- ARGV: name, end, milliseconds to keep it.
local name, expires, ttl = ARGV[1], ARGV[2], ARGV[3]
call('SET', key('link', name), expires)
live(key('link', name), ttl)
due('link:' .. name, expires)
return 'ok'
