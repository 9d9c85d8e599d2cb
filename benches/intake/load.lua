-- Sends each line of reports.txt once. Each of the two threads takes every other line.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long us; } timeval_t; int gettimeofday(timeval_t *, void *);")
local function now()
  local tv = ffi.new("timeval_t")
  ffi.C.gettimeofday(tv, nil)
  return tonumber(tv.s) + tonumber(tv.us) / 1e6
end

local threads = {}
function setup(thread)
  thread:set("part", #threads)
  table.insert(threads, thread)
end
function init(args)
  requests, sent, began, ended = {}, 0, 0, 0
  n202, n401, other = 0, 0, 0
  local n = 0
  for line in io.lines("reports.txt") do
    if n % 2 == part then
      local signature, body = line:match("^(%x+) (.*)$")
      local headers = { ["Content-Type"] = "application/json", ["X-Hub-Signature-256"] = "sha256=" .. signature }
      requests[#requests + 1] = wrk.format("POST", "/api/v1/ci-healing/webhook", headers, body)
    end
    n = n + 1
  end
end
function request()
  if sent == 0 then began = now() end
  sent = sent + 1
  -- Beyond the end, until the last answers are in: something cheap.
  return requests[sent] or wrk.format("GET", "/healthz")
end
-- Who has nothing left to send keeps quiet, so that only the load is measured.
function delay()
  return sent >= #requests and 5000 or 0
end
function response(status)
  if status == 202 then n202 = n202 + 1 elseif status == 401 then n401 = n401 + 1 elseif status ~= 200 then other = other + 1 end
  if n202 + n401 + other >= #requests and ended == 0 then
    ended = now()
    wrk.thread:stop()
  end
end
function done(summary, latency)
  local a, b, c, began, ended = 0, 0, 0, math.huge, 0
  for _, thread in ipairs(threads) do
    a, b, c = a + thread:get("n202"), b + thread:get("n401"), c + thread:get("other")
    began, ended = math.min(began, thread:get("began")), math.max(ended, thread:get("ended"))
  end
  io.write(string.format("%6.0f req/s   p50 %6.1f ms   p99 %6.1f ms   max %6.1f ms   202: %d   401: %d   other: %d\n",
    (a + b + c) / (ended - began), latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000, a, b, c))
end
