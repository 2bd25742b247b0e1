-- own_session puts a session on the list of its user, which lasts as long as the
-- one that lasts longest.
local function own_session(owner, id, ttl)
  local index = key('user-sessions', owner)
  local has = call('PTTL', index)
  call('ZADD', index, 0, id)
  -- -2 is no list, -1 one without an end.
  if has == -2 or ttl == '0' or has >= 0 and has < tonumber(ttl) then
    live(index, ttl)
  end
end
