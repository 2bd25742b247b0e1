-- Sets fields of a thing that is there.
-- ARGV: kind, id, fields.
local k = key(ARGV[1], ARGV[2])
if call('EXISTS', k) == 0 then
  return 'missing'
end
call('HSET', k, unpack(ARGV, 3))
return 'ok'
