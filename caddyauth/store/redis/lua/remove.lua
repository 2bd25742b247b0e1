-- How things go, with all that points to them.

local function remove_session(id)
  local k = key('session', id)
  local owner, token = unpack(call('HMGET', k, 'user', 'token'))
  call('ZREM', prefix .. 'sessions', id)
  call('ZREM', prefix .. 'due', 'session:' .. id)
  if not owner then
    return false
  end
  call('ZREM', key('user-sessions', owner), id)
  if token then
    call('DEL', key('session-token', token))
  end
  call('DEL', k)
  return true
end

local function remove_account(name)
  local k = key('account', name)
  local owner = call('HGET', k, 'user')
  if owner then
    call('ZREM', key('user-accounts', owner), name)
    call('DEL', k)
  end
end

local function remove_authenticator(id)
  local k = key('authenticator', id)
  local owner = call('HGET', k, 'user')
  if owner then
    call('ZREM', key('user-authenticators', owner), id)
    call('DEL', k)
  end
end

local function remove_token(id)
  local k = key('token', id)
  local owner, hash = unpack(call('HMGET', k, 'user', 'hash'))
  call('ZREM', prefix .. 'tokens', id)
  call('ZREM', prefix .. 'due', 'token:' .. id)
  if not owner then
    return
  end
  call('ZREM', key('user-tokens', owner), id)
  if hash then
    call('HDEL', prefix .. 'token-hashes', hash)
  end
  call('DEL', k)
end
