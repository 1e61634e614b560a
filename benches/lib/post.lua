-- wrk: the same chat completion again and again; counts answers that are not 200.
local body = io.open(os.getenv("BENCH_BODY")):read("*a")
wrk.method = "POST"
wrk.body = body
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
