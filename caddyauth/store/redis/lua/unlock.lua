-- ARGV: name, owner.
local k = key('lock', ARGV[1])
if call('GET', k) == ARGV[2] then
  call('DEL', k)
end
return 'ok'
