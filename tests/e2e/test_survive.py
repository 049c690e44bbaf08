# SPDX-License-Identifier: Apache-2.0
"""What it must survive: garbage, floods, a stopped half, little memory; the services never notice.

A kernel without BTF cannot be had here (`sonde check` says what is missing; tests/e2e/test_cli.py has the privileges).
"""
import json
import os
import pathlib
import random
import signal

import pytest

from harness import APPS, PYTHON, request_log, wait_for
import services

PORT = 8080

# Opens n connections at once, then sends one request on each and reads all answers; prints how many were right.
FLOOD = """
import selectors, socket, sys
port, n = int(sys.argv[1]), int(sys.argv[2])
left, right, s = n, 0, selectors.DefaultSelector()
def begin():
    c = socket.socket()
    c.setblocking(False)
    try:
        c.connect(("127.0.0.1", port))
    except BlockingIOError:
        pass
    s.register(c, selectors.EVENT_WRITE, b"")
def end(c):
    s.unregister(c)
    c.close()
at_once = min(n, int(sys.argv[3]))
for _ in range(at_once):
    begin()
left -= at_once
while s.get_map():
    for key, mask in s.select():
        c = key.fileobj
        if mask & selectors.EVENT_WRITE:
            c.send(b"GET /flood HTTP/1.1\\r\\nHost: t\\r\\nConnection: close\\r\\n\\r\\n")
            s.modify(c, selectors.EVENT_READ, b"")
            continue
        part = c.recv(65536)
        if part:
            s.modify(c, selectors.EVENT_READ, key.data + part)
            continue
        right += key.data.startswith(b"HTTP/1.1 200")
        end(c)
        if left:
            left -= 1
            begin()
print(right)
"""


def client(host, *connections):
    return json.loads(host.run(PYTHON, APPS / "client.py", input=json.dumps(list(connections)).encode()))


def request(path):
    return [{"send": f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"}, {"read": ["GET"]}]


def watch_nginx(host, sonde, workers=1, **more):
    services.nginx(host, PORT, workers=workers)
    agent = sonde(f"port={PORT},netns={host.name}", **more)
    agent.watching("nginx")
    return agent


def flood(host, n, at_once):
    path = host.directory / "flood.py"
    path.write_text(FLOOD)
    return int(host.run("sh", "-c", f'ulimit -n 20000; exec "$@"', "sh", PYTHON, path, PORT, n, at_once))


def sum_of(agent, metric, *labels):
    """Sum of a metric's series that have all these labels."""
    lines = [x for x in agent.get("/metrics").splitlines() if x.startswith(metric) and all(l in x for l in labels)]
    return sum(float(x.rsplit(" ", 1)[1]) for x in lines)


def resident(agent):
    """Bytes of both halves; memory that they share counts once (Pss)."""
    def pss(pid):
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return sum(map(pss, agent.halves()))


def losses(agent):
    """What the agent says that it lost: the reason that a failing test needs."""
    names = ("sonde_dropped", "sonde_stream_unanswered", "sonde_stream_gaps", "sonde_parse_failures")
    return "\n".join(x for x in agent.get("/metrics").splitlines() if x.startswith(names) and not x.endswith(" 0"))


def requests_counted(agent):
    return sum_of(agent, "http_server_request_duration_seconds_count", "http_response_status_code")


def everything_is_accounted_for(agent, n, lost):
    """Of n requests each is counted, or records of it are counted as lost; at most `lost` are."""
    def dropped():
        return sum(sum_of(agent, "sonde_dropped_total", f'cause="{c}"') for c in ("ring_full", "unknown_connection"))
    wait_for(lambda: requests_counted(agent) >= n - min(lost, dropped()), 15,
             lambda: f"{n} requests counted ({requests_counted(agent)})\n{losses(agent)}")
    assert requests_counted(agent) <= n


def right_spans(receiver, path):
    return [s for s in receiver.spans(kind="server")
            if s.attrs.get("url.path") == path and s.attrs.get("http.response.status_code") == 200]


def test_garbage_on_an_http_port(host, sonde, receiver, tier):
    """Bytes that are not HTTP get no spans of their own with a status that nobody sent, and spoil no other connection."""
    agent = watch_nginx(host, sonde, tier=tier)
    noise = random.Random(7)
    garbage = ["".join(chr(noise.randrange(256)) for _ in range(noise.choice((1, 10, 300, 5000)))) for _ in range(60)]
    garbage += ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\0" * 500, "GET", "GET / HTTP/9.9\r\n\r\n", "\r\n" * 2000,
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n"]
    broken = [{"to": ["127.0.0.1", PORT], "steps": [{"send": g}, {"close_write": True}, {"read": ["GET"]}]} for g in garbage]
    mixed = [{"to": ["127.0.0.1", PORT], "steps": request("/well") * 5 + [{"send": garbage[3]}, {"read": ["GET"]}]}] * 5
    client(host, *broken, *mixed, {"to": ["127.0.0.1", PORT], "steps": request("/last")})
    wait_for(lambda: right_spans(receiver, "/last"), 10, "the last request's span")
    assert len(right_spans(receiver, "/well")) == 25
    log = request_log(host.directory / "nginx.access.log")
    known = {r["status"] for r in log}
    assert {s.attrs["http.response.status_code"] for s in receiver.spans() if "http.response.status_code" in s.attrs} <= known
    assert agent.get("/livez")


def test_very_long_header_lines(host, sonde, receiver, tier):
    watch_nginx(host, sonde, tier=tier)
    line = "x" * 65000
    long = [{"send": f"GET /long HTTP/1.1\r\nHost: t\r\nX-Long: {line}\r\n\r\n"}, {"read": ["GET"]}]
    many = [{"send": "GET /many HTTP/1.1\r\nHost: t\r\n" + f"X-A: {'y' * 30000}\r\n" * 6 + "\r\n"}, {"read": ["GET"]}]
    client(host, {"to": ["127.0.0.1", PORT], "steps": (long + many + request("/short")) * 5})
    wait_for(lambda: len(right_spans(receiver, "/short")) >= 5, 10, "the short requests between long ones")
    log = request_log(host.directory / "nginx.access.log")
    assert len(log) == 15
    for path in ("/long", "/many", "/short"):
        assert len([s for s in receiver.spans(kind="server") if s.attrs.get("url.path") == path]) == 5
    assert sorted(s.attrs["http.response.status_code"] for s in receiver.spans(kind="server")) == sorted(r["status"] for r in log)


def test_ten_thousand_connections_at_once(host, sonde, receiver, tier):
    """Tier syscall learns of a connection at its first byte; up to 0.8 % of such a flood were missed when measured, and not
    each of them is among the drops yet (67 missed, 58 counted). Tier socket misses none."""
    agent = watch_nginx(host, sonde, tier=tier)
    n = 10000
    assert flood(host, n, 3000) == n, "the service answered everybody"
    if tier == "syscall":
        wait_for(lambda: n * 0.98 <= requests_counted(agent) <= n, 15, lambda: f"{n} requests\n{losses(agent)}")
    else:
        everything_is_accounted_for(agent, n, lost=0)
    wait_for(lambda: sum_of(agent, "sonde_stream_connections") == 0, 10, "no connection left over")
    assert resident(agent) < 64 << 20


def test_a_stopped_worker(host, sonde, receiver, tier):
    """Services see nothing; what the ring could not take is counted; afterwards all is right again."""
    agent = watch_nginx(host, sonde, tier=tier, env={"SONDE_CAPTURE_RING_SIZE": "256KiB"})
    _, worker = agent.halves()
    os.kill(worker, signal.SIGSTOP)
    try:
        out = host.run("wrk", "-t1", "-c8", "-d3", f"http://127.0.0.1:{PORT}/stopped")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    wait_for(lambda: sum_of(agent, "sonde_dropped", 'cause="ring_full"', 'service_name="nginx"') or
             sum_of(agent, "sonde_dropped", 'cause="ring_full"'), 10, "drops counted")
    client(host, {"to": ["127.0.0.1", PORT], "steps": request("/after") * 20})
    wait_for(lambda: len(right_spans(receiver, "/after")) >= 20, 10, "spans after the worker went on")
    assert len(right_spans(receiver, "/after")) == 20
    assert resident(agent) < 64 << 20


@pytest.mark.parametrize("limit", [24, 32])
def test_little_memory(host, sonde, receiver, limit):
    agent = watch_nginx(host, sonde, args=["--memory-limit", f"{limit}MiB"], env={"SONDE_CAPTURE_RING_SIZE": "1MiB"})
    held = [{"to": ["127.0.0.1", PORT], "steps": request("/many")}]
    for _ in range(3):
        assert flood(host, 3000, 3000) == 3000
        client(host, *held)
    everything_is_accounted_for(agent, 9003, lost=9003)  # so small a ring may fill while others have the processors
    assert resident(agent) < limit << 20


def test_an_endpoint_that_is_absent_costs_no_memory(host, sonde):
    agent = watch_nginx(host, sonde, endpoint="http://127.0.0.1:9", args=["--memory-limit", "24MiB"],
                        env={"SONDE_CAPTURE_RING_SIZE": "1MiB"})
    out = host.run("wrk", "-t1", "-c8", "-d4", f"http://127.0.0.1:{PORT}/x")
    assert "Non-2xx" not in out
    wait_for(lambda: sum_of(agent, "sonde_export_dropped"), 10, "drops counted")
    assert resident(agent) < 24 << 20
