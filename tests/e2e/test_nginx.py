# SPDX-License-Identifier: Apache-2.0
"""nginx, alone: every request exactly once, with the method, path, status and sizes that its own log has."""
import collections
import json

from harness import APPS, PYTHON, request_log, wait_for
import services

PORT = 8080
FILES = """
	location = /hello { return 200 'hello\\n'; }
	location = /fail { return 503; }
	location /redirect { return 302 /hello; }
	location /files/ { root %s/www; }
"""


def client(host, *connections):
    return json.loads(host.run(PYTHON, APPS / "client.py", input=json.dumps(list(connections)).encode()))


def start(host, sonde, **more):
    www = host.directory / "www" / "files"
    www.mkdir(parents=True)
    (www / "small.txt").write_text("x" * 196)
    (www / "big.bin").write_bytes(b"\0" * 1_000_000)
    services.nginx(host, PORT, FILES % host.directory, **more.pop("nginx", {}))
    return sonde(f"port={PORT}", **more)


def get(path, *headers, method="GET"):
    return f"{method} {path} HTTP/1.1\r\nHost: t\r\n" + "".join(h + "\r\n" for h in headers) + "\r\n"


def truth(host, n):
    """nginx's log once it has n lines, as a multiset of (method, path, status)."""
    wait_for(lambda: len(request_log(host.directory / "nginx.access.log")) >= n, 20, f"{n} lines in nginx's log")
    log = request_log(host.directory / "nginx.access.log")
    assert len(log) == n
    return log


def key(span):
    return (span.attrs["http.request.method"], span.attrs["url.path"], span.attrs.get("http.response.status_code"))


def expect_exactly_once(host, receiver, n):
    log = truth(host, n)
    wait_for(lambda: len(receiver.spans(kind="server")) >= n, 20,
             f"{n} spans (there are {len(receiver.spans(kind='server'))})")
    spans = receiver.spans(kind="server")
    wanted = collections.Counter((r["method"], r["path"], r["status"]) for r in log)
    assert collections.Counter(map(key, spans)) == wanted
    assert len({s.span_id for s in spans}) == len(spans)
    return log, spans


def test_keep_alive_requests(host, sonde, receiver, tier):
    start(host, sonde, tier=tier)
    paths = ["/hello", "/files/small.txt", "/files/none", "/fail", "/redirect"] * 20
    client(host, {"to": ["127.0.0.1", PORT], "steps": [s for p in paths for s in ({"send": get(p)}, {"read": ["GET"]})]})
    expect_exactly_once(host, receiver, 100)


def test_ipv6_and_new_connections(host, sonde, receiver, tier):
    start(host, sonde, tier=tier)
    one = {"to": ["::1", PORT], "steps": [{"send": get("/hello")}, {"read": ["GET"]}]}
    client(host, *[one] * 50)
    expect_exactly_once(host, receiver, 50)


def test_unix_socket(host, sonde, receiver, tier):
    path = str(host.directory / "nginx.sock")
    start(host, sonde, tier=tier, nginx={"listen": f"listen unix:{path}; listen 127.0.0.1:{PORT};"})
    steps = [s for _ in range(20) for s in ({"send": get("/hello")}, {"read": ["GET"]})]
    client(host, {"to": path, "steps": steps})
    expect_exactly_once(host, receiver, 20)


def test_pipelined_requests(host, sonde, receiver, tier):
    start(host, sonde, tier=tier)
    batch = "".join(get(f"/files/{i}") for i in range(30)) + get("/hello")
    client(host, {"to": ["127.0.0.1", PORT], "steps": [{"send": batch}, {"read": ["GET"] * 31}] * 3})
    expect_exactly_once(host, receiver, 93)


def test_head_304_and_options(host, sonde, receiver, tier):
    start(host, sonde, tier=tier)
    steps = [{"send": get("/files/big.bin", method="HEAD")}, {"read": ["HEAD"]},
             {"send": get("/files/small.txt", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT")}, {"read": ["GET"]},
             {"send": get("/hello", method="OPTIONS")}, {"read": ["OPTIONS"]},
             {"send": get("/hello", method="BREW")}, {"read": ["BREW"]},
             {"send": get("/hello")}, {"read": ["GET"]}]
    client(host, {"to": ["127.0.0.1", PORT], "steps": steps})
    log = truth(host, 5)
    wait_for(lambda: len(receiver.spans()) >= 5, 20, "5 spans")
    statuses = sorted(s.attrs["http.response.status_code"] for s in receiver.spans())
    assert statuses == sorted(r["status"] for r in log)
    other = [s for s in receiver.spans() if s.attrs["http.request.method"] == "_OTHER"]
    assert [s.attrs["http.request.method_original"] for s in other] == ["BREW"]


def test_sizes_are_exact(host, sonde, receiver, tier):
    start(host, sonde, tier=tier)
    body = "y" * 300_000
    steps = [{"send": get("/files/big.bin")}, {"read": ["GET"]},
             {"send": f"POST /hello HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n" + body}, {"read": ["POST"]},
             {"send": get("/files/small.txt")}, {"read": ["GET"]}]
    client(host, {"to": ["127.0.0.1", PORT], "steps": steps * 5})
    log, _ = expect_exactly_once(host, receiver, 15)
    sent = {p: sum(x.sum for _, x in receiver.points(p)) for p in ("http.server.response.body.size",)}

    def both_agree():
        response = sum(p.sum for _, p in receiver.points("http.server.response.body.size"))
        request = sum(p.sum for _, p in receiver.points("http.server.request.body.size"))
        return response == sum(r["body"] for r in log) and request == 5 * len(body)
    wait_for(both_agree, 10, f"body sizes as in nginx's log ({sent})")


def test_dripped_and_vectored_requests(host, sonde, receiver, tier):
    start(host, sonde, tier=tier)
    steps = [{"drip": get("/hello?secret=1", "X-Long: " + "z" * 500), "by": 7}, {"read": ["GET"]},
             {"sendv": ["GET /files/sm", "all.txt HT", "TP/1.1\r\nHost", ": t\r\n", "\r\n"]}, {"read": ["GET"]}]
    client(host, {"to": ["127.0.0.1", PORT], "steps": steps * 5})
    _, spans = expect_exactly_once(host, receiver, 10)
    assert not [s for s in spans if "secret=1" in str(s.attrs)]
    assert [s.attrs["url.query"] for s in spans if s.attrs["url.path"] == "/hello"] == ["secret=?"] * 5


def test_large_heads_grow_the_budget(host, sonde, receiver, tier):
    """3 KiB of cookies before Content-Length fit; heads beyond the budget are cut, counted, and never again."""
    start(host, sonde, tier=tier)
    fits = get("/hello", "Cookie: " + "c" * 3000, "Content-Length: 0")
    large = get("/hello", "Cookie: " + "c" * 9000)
    agent_steps = [{"send": fits}, {"read": ["GET"]}] * 5 + [{"send": large}, {"read": ["GET"]}] * 30
    client(host, {"to": ["127.0.0.1", PORT], "steps": [s for x in agent_steps for s in (x,)]})
    expect_exactly_once(host, receiver, 35)


def test_durations_agree_with_the_servers(host, sonde, receiver, tier):
    start(host, sonde, tier=tier)
    host.run("wrk", "-t1", "-c8", "-d2", f"http://127.0.0.1:{PORT}/files/small.txt")
    log = request_log(host.directory / "nginx.access.log")
    wait_for(lambda: sum(p.count for _, p in receiver.points("http.server.request.duration")) >= len(log), 20,
             f"{len(log)} in the histogram")
    assert sum(p.count for _, p in receiver.points("http.server.request.duration")) == len(log)
    spans = receiver.spans()
    spent = sorted((s.end - s.start) / 1e9 for s in spans)
    assert spent[len(spent) // 2] < 0.002, "nginx's median is below 1 ms"


def test_coverage_is_complete(host, sonde, receiver, tier):
    agent = start(host, sonde, tier=tier)
    steps = [s for _ in range(50) for s in ({"send": get("/files/small.txt")}, {"read": ["GET"]})]
    client(host, {"to": ["127.0.0.1", PORT], "steps": steps})
    expect_exactly_once(host, receiver, 50)

    def covered():
        lines = [x for x in agent.get("/metrics").splitlines() if x.startswith("sonde_coverage_ratio")]
        return lines and all(float(x.rsplit(" ", 1)[1]) == 1 for x in lines)
    wait_for(covered, 10, "coverage of 100 %")
