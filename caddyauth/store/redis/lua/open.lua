-- ARGV: version of the schema. Returns the one that is there.
local there = call('GET', prefix .. 'schema')
if there then
  return there
end
call('SET', prefix .. 'schema', ARGV[1])
return ARGV[1]
