-- ARGV: user's id, id of the session to keep or ''. Returns the others' ids.
local index = key('user-sessions', ARGV[1])
local gone = {}
for _, id in ipairs(call('ZRANGE', index, 0, -1)) do
  if id ~= ARGV[2] then
    if remove_session(id) then
      gone[#gone + 1] = id
    else
      call('ZREM', index, id)
    end
  end
end
return gone
