-- Sends each line of reports.txt once. Each of the two threads takes every other line.
local id = 0
local threads = {}
function setup(thread)
  thread:set("id", id)
  id = id + 1
  table.insert(threads, thread)
end
function init(args)
  requests, sent, answered = {}, 0, 0
  statuses = ""
  n202, n401, other = 0, 0, 0
  local n = 0
  for line in io.lines("reports.txt") do
    if n % 2 == id then
      local signature, body = line:match("^(%x+) (.*)$")
      local headers = { ["Content-Type"] = "application/json", ["X-Hub-Signature-256"] = "sha256=" .. signature }
      requests[#requests + 1] = wrk.format("POST", "/api/v1/ci-healing/webhook", headers, body)
    end
    n = n + 1
  end
end
function request()
  sent = sent + 1
  -- Beyond the end, until the last answers are in: something cheap.
  return requests[sent] or wrk.format("GET", "/healthz")
end
function response(status)
  answered = answered + 1
  if status == 202 then n202 = n202 + 1 elseif status == 401 then n401 = n401 + 1 elseif status ~= 200 then other = other + 1 end
  if answered >= #requests then wrk.thread:stop() end
end
function done(summary, latency)
  local a, b, c = 0, 0, 0
  for _, thread in ipairs(threads) do
    a, b, c = a + thread:get("n202"), b + thread:get("n401"), c + thread:get("other")
  end
  io.write(string.format("%6.0f req/s   p50 %6.1f ms   p99 %6.1f ms   max %6.1f ms   202: %d   401: %d   other: %d\n",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000, a, b, c))
end
