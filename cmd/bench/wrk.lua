-- Sends one request after the other, each with the next cookie of the file that
-- the environment names; one line, one cookie.
local requests, i = {}, 0

function init()
  for line in io.lines(os.getenv("COOKIES")) do
    requests[#requests + 1] = wrk.format("GET", "/app/?tab=1", {["Cookie"] = line})
  end
end

function request()
  i = i % #requests + 1
  return requests[i]
end
