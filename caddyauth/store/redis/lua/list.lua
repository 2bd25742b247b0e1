-- Goes through an index in the order of the ids.
-- ARGV: kind, index, id after which to begin or '', how many to look at.
-- Returns the id after which to go on, '' at the end, and then id and fields of
-- each.
local kind, index, after, n = ARGV[1], prefix .. ARGV[2], ARGV[3], tonumber(ARGV[4])
local from = '-'
if after ~= '' then
  from = '(' .. after
end
local ids = call('ZRANGEBYLEX', index, from, '+', 'LIMIT', 0, n)
local answer = { '' }
if #ids == n then
  answer[1] = ids[n]
end
for _, id in ipairs(ids) do
  local fields = row(kind, id)
  if fields then
    answer[#answer + 1] = id
    answer[#answer + 1] = fields
  end
end
return answer
