-- ARGV: time, how many to remove at most. Returns how many it removed.
local remove = {
  session = remove_session,
  token = remove_token,
  link = function(name)
    call('DEL', key('link', name))
  end,
  revocation = function(id)
    call('HDEL', prefix .. 'revocations', id)
    call('ZREM', prefix .. 'revocation-log', id)
  end,
}
local things = call('ZRANGEBYSCORE', prefix .. 'due', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, thing in ipairs(things) do
  local kind, id = string.match(thing, '^(%l+):(.*)$')
  remove[kind](id)
  due(thing, '')
end
return #things
