-- ARGV: name, owner, milliseconds.
local k = key('lock', ARGV[1])
local owner = call('GET', k)
if owner and owner ~= ARGV[2] then
  return 0
end
call('SET', k, ARGV[2], 'PX', ARGV[3])
return 1
