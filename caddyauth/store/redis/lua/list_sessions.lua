-- Goes through an index of sessions in the order of the ids, and takes off it
-- those that went with their time.
-- ARGV: index, id after which to begin or '', how many to look at, how many to
-- return, time, provider or ''.
-- Returns the id after which to go on, '' at the end, and then id, fields and
-- user's fields of each.
local index, after, n, limit = prefix .. ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now, provider = tonumber(ARGV[5]), ARGV[6]
local from = '-'
if after ~= '' then
  from = '(' .. after
end
local ids = call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, n)
local answer, users = { '' }, {}
if #ids == n then
  answer[1] = ids[n]
end

local function wanted(id)
  local owner, expires, by = unpack(call('HMGET', key('session', id), 'user', 'expires', 'provider'))
  if not owner then
    call('ZREM', index, id)
    return nil
  end
  if expires ~= '' and tonumber(expires) <= now or provider ~= '' and by ~= provider then
    return nil
  end
  users[owner] = users[owner] or row('user', owner)
  return users[owner]
end

for _, id in ipairs(ids) do
  local user = wanted(id)
  if user then
    answer[#answer + 1] = id
    answer[#answer + 1] = row('session', id)
    answer[#answer + 1] = user
    limit = limit - 1
    if limit == 0 then
      answer[1] = id
      break
    end
  end
end
return answer
