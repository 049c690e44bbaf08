# SPDX-License-Identifier: Apache-2.0
"""gunicorn, uvicorn, Node and Go, over IPv4, IPv6 and unix sockets: every request exactly once, with the server's own
method, path, status, sizes and duration. The truth is the server's log."""
import collections
import json

import pytest

from harness import APPS, PYTHON, request_log, wait_for
import services

PORT = 8000
MEGABYTE = 1_000_000


def start_gunicorn(worker):
    def start(host, log, path):
        services.gunicorn(host, PORT, worker=worker, also=[f"unix:{path}"], env={"REQUEST_LOG": log})
        return "shop"
    return start


def start_uvicorn(host, log, path):
    env = {"REQUEST_LOG": log}
    services.uvicorn(host, PORT, listen=["--host", ""], env=env)
    services.uvicorn(host, PORT + 1, listen=["--uds", path], env=env)
    return "asgi"


def start_node(host, log, path):
    services.node(host, PORT, env={"REQUEST_LOG": log, "SOCKET": path})
    return "price"


def start_go(host, log, path):
    services.go_server(host, PORT, env={"REQUEST_LOG": log, "SOCKET": path})
    return "go-server"


SERVERS = {"gunicorn-sync": start_gunicorn("sync"), "gunicorn-gthread": start_gunicorn("gthread"),
           "uvicorn": start_uvicorn, "node": start_node, "go": start_go}


class Server:
    """One of SERVERS, watched."""

    def __init__(self, name, host, sonde, tier):
        self.host, self.log, self.path = host, host.directory / "requests", str(host.directory / "server.sock")
        self.service = SERVERS[name](host, str(self.log), self.path)
        self.is_sync = name == "gunicorn-sync"
        wait_for(lambda: (host.directory / "server.sock").exists(), 20, "the unix socket")
        self.agent = sonde(f"cgroup=/{host.name},exe=*{self.executable(name)}*", tier=tier)
        self.agent.watching(self.service)

    @staticmethod
    def executable(name):
        return {"node": "node", "go": "go-server"}.get(name, "python")

    def client(self, *connections):
        return json.loads(self.host.run(PYTHON, APPS / "client.py", input=json.dumps(list(connections)).encode()))

    def logged(self, n):
        """The server's log once it has n lines, and no more."""
        wait_for(lambda: len(request_log(self.log)) >= n, 20, f"{n} lines in the log")
        assert len(request_log(self.log)) == n
        return request_log(self.log)

    def spans(self, receiver, n):
        """The server's n spans, in the order of their start."""
        def found():
            return receiver.spans(service=self.service, kind="server")
        wait_for(lambda: len(found()) >= n, 20, lambda: f"{n} spans (there are {len(found())})")
        assert len(found()) == n
        return sorted(found(), key=lambda s: s.start)


@pytest.fixture(params=SERVERS)
def server(request, host, sonde, tier):
    return Server(request.param, host, sonde, tier)


def ask(path, method="GET", body="", headers=()):
    head = [f"{method} {path} HTTP/1.1", "Host: shop.test", *headers]
    if method == "POST" and not headers:
        head.append(f"Content-Length: {len(body)}")
    return {"send": "\r\n".join([*head, "", body])}, {"read": [method]}


def chunked_body(n):
    part = "z" * 500
    return "".join(f"{len(part):x}\r\n{part}\r\n" for _ in range(n)) + "0\r\n\r\n"


EXCHANGES = [ask("/"), ask("/users/7"), ask("/status/404"), ask("/status/500"), ask("/status/204"), ask("/", "HEAD"),
             ask("/big?n=0", "HEAD"), ask("/none"), ask("/chunked"), ask(f"/big?n={MEGABYTE}"), ask("/echo", "POST", "e" * 10),
             ask("/echo", "POST", "e" * MEGABYTE),
             ask("/echo", "POST", chunked_body(4), ["Transfer-Encoding: chunked"]), ask("/")]


def connections(server, exchanges):
    """The exchanges on one kept connection each over IPv4, IPv6 and the unix socket."""
    to = [["127.0.0.1", PORT], ["::1", PORT], server.path]
    if server.is_sync:      # closes after each answer
        return [{"to": t, "steps": list(e)} for t in to for e in exchanges]
    return [{"to": t, "steps": [step for e in exchanges for step in e]} for t in to]


def key(span):
    return (span.attrs["http.request.method"], span.attrs["url.path"], span.attrs.get("http.response.status_code"))


def test_every_request_exactly_once(server, receiver):
    answers = server.client(*connections(server, EXCHANGES))
    n = 3 * len(EXCHANGES)
    assert sum(map(len, answers)) == n and not [a for c in answers for a in c if "error" in a]
    log, spans = server.logged(n), server.spans(receiver, n)
    assert collections.Counter(map(key, spans)) == collections.Counter((r["method"], r["path"], r["status"]) for r in log)
    assert len({s.span_id for s in spans}) == n
    assert [s.attrs.get("error.type") for s in spans if s.attrs["url.path"] == "/status/500"] == ["500"] * 3
    # A chunked body's size is known when all its chunks' heads were captured: the answers' are larger than that.
    wanted = 3 * (10 + MEGABYTE + 2000), sum(r["out"] for r in log if r["path"] != "/chunked")

    def sizes():
        return tuple(sum(p.sum for _, p in receiver.points(f"http.server.{side}.body.size", server.service))
                     for side in ("request", "response"))
    wait_for(lambda: sizes() == wanted, 10, lambda: f"body sizes {wanted} (they are {sizes()})")


def error_of(line, seconds):
    """How far a duration lies outside of what the server saw itself."""
    return max(line["handed"] - seconds, seconds - line["seconds"], 0)


def test_durations_are_the_servers_own(server, receiver):
    """Within max(5 %, 2 ms) for 99 %, the median within 1 ms. The exchanges follow each other: so do lines and spans."""
    exchanges = [ask("/users/1")] * 195 + [ask("/slow?ms=100")] * 5
    server.client(*connections(server, exchanges)[:len(exchanges) if server.is_sync else 1])
    n = len(exchanges)
    pairs = list(zip(server.logged(n), server.spans(receiver, n)))
    off = sorted((error_of(r, (s.end - s.start) / 1e9), r["path"], r["handed"], r["seconds"], s.end - s.start) for r, s in pairs)
    bad = [o for o in off if o[0] > max(0.05 * o[3], 0.002)]
    assert off[n // 2][0] < 0.001
    assert len(bad) <= n // 100, bad


def test_clients_that_give_up(server, receiver, tier):
    """One that gets no answer, one that takes the first bytes of a large one; nothing is invented."""
    if tier == "syscall":
        pytest.skip("a write that fails is not seen by this tier: with Node the end came without its error once in 20 runs")
    impatient = [ask("/slow?ms=400")[0], {"wait": 0.1}, {"reset": True}]
    sated = [ask(f"/big?n={20 * MEGABYTE}")[0], {"peek": True}, {"reset": True}]
    to = ["127.0.0.1", PORT]
    server.client(*[{"to": to, "steps": steps} for steps in (impatient, sated)], {"to": to, "steps": [*ask("/")]})
    spans = {s.attrs["url.path"]: s for s in server.spans(receiver, 3)}
    print({path: s.attrs for path, s in spans.items()})
    assert "http.response.status_code" not in spans["/slow"].attrs
    assert spans["/slow"].attrs["error.type"] in ("reset", "closed")
    assert spans["/big"].attrs.get("http.response.status_code", 200) == 200
    assert spans["/big"].attrs["error.type"] in ("reset", "closed")
    assert spans["/"].attrs["http.response.status_code"] == 200 and "error.type" not in spans["/"].attrs


def of_whom(receiver):
    return collections.Counter((s.service, s.kind) for s in receiver.spans())


@pytest.mark.parametrize("how", [[], ["vectored"]], ids=["send", "sendmsg"])
def test_io_uring_client(host, sonde, receiver, how):
    """Tier socket only: system calls do not show what io_uring transfers."""
    www = host.directory / "www"
    www.mkdir()
    (www / "page").write_bytes(b"x" * 100_000)
    services.nginx(host, PORT, f"location / {{ root {www}; }}")
    agent = sonde(f"cgroup=/{host.name}", tier="socket")
    agent.watching("nginx")
    out = host.run(services.build("iouring.c", "iouring"), "127.0.0.1", PORT, "/page", 50, *how)
    assert out.splitlines() == ["200 100000"] * 50
    # The client is chosen by its cgroup once it runs: its first request may be over by then.
    for kind, least in ("client", 49), ("server", 50):
        wait_for(lambda: len(receiver.spans(kind=kind)) >= least, 20, lambda: f"{least} {kind} spans (there are {of_whom(receiver)})")
        assert {s.attrs["http.response.status_code"] for s in receiver.spans(kind=kind)} == {200}
    assert {s.span_id for s in receiver.spans(kind="client")} <= {s.parent_id for s in receiver.spans(kind="server")}


def test_short_lived_processes_are_named(host, sonde, receiver, tier):
    """Children of a watched process are watched from their first instruction, whatever they exec."""
    services.nginx(host, PORT)
    script = f"until [ -e go ]; do sleep 0.01; done; for i in $(seq 20); do curl -sS http://127.0.0.1:{PORT}/; done"
    host.start("sh", "-c", script, name="sh")
    agent = sonde(f"cgroup=/{host.name}", tier=tier)
    agent.watching("nginx")
    agent.watching("sh")
    (host.directory / "go").touch()
    wait_for(lambda: len(receiver.spans()) >= 40, 20, lambda: f"40 spans (there are {of_whom(receiver)})")
    # Between fork and the decision about what was executed, a child still counts as its parent.
    seen = of_whom(receiver)
    assert seen[("nginx", "server")] == 20 and seen[("curl", "client")] + seen[("sh", "client")] == 20
    assert seen[("curl", "client")] >= 10


def test_go_client_and_server(host, sonde, receiver, tier):
    """A Go service that calls another over kept connections: both ends, once each, linked."""
    services.node(host, PORT + 1)
    services.go_server(host, PORT)
    agent = sonde(f"cgroup=/{host.name}", tier=tier)
    agent.watching("go-server")
    exchanges = [ask(f"/call?url=http://127.0.0.1:{PORT + 1}/users/{i}") for i in range(40)]
    host.run(PYTHON, APPS / "client.py", input=json.dumps([{"to": ["127.0.0.1", PORT], "steps": [s for e in exchanges for s in e]}]).encode())
    wanted = [f"/users/{i}" for i in range(40)]

    def paths(service, kind):
        spans = receiver.spans(service=service, kind=kind)
        return sorted((s.attrs.get("url.path") or "/" + s.attrs["url.full"].split("/", 3)[3] for s in spans),
                      key=lambda p: int(p.rsplit("/", 1)[1]) if p[-1].isdigit() else -1)
    wait_for(lambda: paths("price", "server") == wanted, 20, "each call at the callee, once")
    wait_for(lambda: paths("go-server", "client") == wanted, 20, "each call at the caller, once")
    wait_for(lambda: len(receiver.spans(service="go-server", kind="server")) == 40, 20, "the requests that caused them")
    by_id = {s.span_id: s for s in receiver.spans()}
    for s in receiver.spans(service="price", kind="server"):
        assert by_id[s.parent_id].service == "go-server" and by_id[s.parent_id].attrs["url.full"].endswith(s.attrs["url.path"])
