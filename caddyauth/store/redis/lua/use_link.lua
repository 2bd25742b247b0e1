-- ARGV: name. Returns the end of a link that it takes away.
local k = key('link', ARGV[1])
local expires = call('GET', k)
if not expires then
  return nil
end
call('DEL', k)
due('link:' .. ARGV[1], '')
return expires
