-- ARGV: number after which to begin, how many to return at most. Returns the last
-- number given, the one after which to go on, and then id and times of each.
local found = call('ZRANGEBYSCORE', prefix .. 'revocation-log', '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local answer = { call('GET', prefix .. 'revocation-number') or '0', found[#found] or '' }
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = call('HGET', prefix .. 'revocations', found[i])
end
return answer
