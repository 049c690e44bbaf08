# SPDX-License-Identifier: Apache-2.0
"""Lives of connections, processes and of the agent itself: what is older, what ends at once, what is handed on,
and which processes are meant."""
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness import APPS, PYTHON, request_log, wait_for
import services

PORT, OTHER = 8080, 8081

# A service of one thread, its own name (the script's), and one connection at a time.
SERVER = """
import socket, sys
def serve(conn):
    with conn, conn.makefile("rb") as reader:
        while reader.readline():
            while reader.readline() not in (b"\\r\\n", b""):
                pass
            conn.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
def main(port):
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        serve(listener.accept()[0])
if __name__ == "__main__":
    main(int(sys.argv[1]))
"""
WAIT = """
import os, sys, time
def wait(path):
    open(path, "w").close()
    while not os.path.exists(path + ".go"):
        time.sleep(0.005)
"""
GET = """
import socket
def get(port, path):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"GET %s HTTP/1.1\\r\\nHost: t\\r\\nConnection: close\\r\\n\\r\\n" % path.encode())
        while s.recv(65536):
            pass
"""


def script(host, name, *text):
    path = host.directory / f"{name}.py"
    path.write_text("\n".join(text))
    return path


def go(path):
    """Lets a program (or client.py) that waits at `path` go on."""
    wait_for(lambda: os.path.exists(path), 15, f"a program waiting at {path}")
    open(f"{path}.go", "w").close()


def request(path):
    return [{"send": f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"}, {"read": ["GET"]}]


def client(host, *connections):
    return json.loads(host.run(PYTHON, APPS / "client.py", input=json.dumps(list(connections)).encode()))


def client_in_background(host, *connections):
    steps = host.directory / "steps.json"
    steps.write_text(json.dumps(list(connections)))
    return host.start("sh", "-c", f"exec {PYTHON} {APPS}/client.py <{steps}", name="client")


def paths(receiver, kind="server", **more):
    return collections.Counter(s.attrs.get("url.path") or s.attrs.get("url.full") for s in receiver.spans(kind=kind, **more))


def expect(receiver, n, kind="server", **more):
    """Exactly n spans, once they are there."""
    wait_for(lambda: len(receiver.spans(kind=kind, **more)) >= n, 15,
             f"{n} {kind} spans of {more or 'all'} (there were {len(receiver.spans())} in all)")
    spans = receiver.spans(kind=kind, **more)
    assert len(spans) == n and len({s.span_id for s in spans}) == n
    return spans


# ---- older than the agent ----

def test_connections_older_than_the_agent(host, sonde, receiver, tier):
    services.nginx(host, PORT)
    go_on = str(host.directory / "older")
    steps = request("/before") * 1000 + [{"file": go_on}] + request("/after") * 20
    client_in_background(host, {"to": ["127.0.0.1", PORT], "steps": steps})
    wait_for(lambda: os.path.exists(go_on), 15, "1000 requests before the agent")
    agent = sonde(f"port={PORT},netns={host.name}", tier=tier)
    agent.watching("nginx")
    go(go_on)
    expect(receiver, 20)
    assert paths(receiver) == {"/after": 20}


def test_unfinished_answers_older_than_the_agent(host, sonde, receiver, tier):
    """It joins between a request and its answer: nothing is invented for that one, and the next are right."""
    first = "def first():\n    wait(sys.argv[2])\n    sys.argv[2] = ''"
    slow = script(host, "slow", WAIT, first, SERVER.replace("conn.sendall", "sys.argv[2] and first(); conn.sendall"))
    waits = str(host.directory / "answer")
    host.start(PYTHON, slow, PORT, waits, name="slow")
    host.wait_port(PORT)
    client_in_background(host, {"to": ["127.0.0.1", PORT], "steps": request("/joined") + request("/next") * 10})
    wait_for(lambda: os.path.exists(waits), 15, "a request under way")
    sonde(f"port={PORT},netns={host.name}", tier=tier).watching("slow")
    go(waits)
    wait_for(lambda: paths(receiver)["/next"] >= 10, 15, "the requests after it")
    assert paths(receiver)["/next"] == 10
    assert all(s.attrs["http.response.status_code"] == 200 for s in receiver.spans() if s.attrs.get("url.path") == "/next")


# ---- the agent's own life ----

def own_programs(agent):
    """Ids of the kernel's programs that the agent holds, by themselves or by their links."""
    infos = [p.read_text() for pid in agent.halves() for p in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir()]
    return {int(i) for info in infos for i in re.findall(r"^prog_id:\s*(\d+)", info, re.M)}


def all_programs():
    bpftool = shutil.which("bpftool") or "/usr/sbin/bpftool"
    return {p["id"] for p in json.loads(subprocess.run([bpftool, "-j", "prog", "show"], capture_output=True, check=True).stdout)}


def gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_restart_under_traffic(host, sonde, receiver, tier):
    services.nginx(host, PORT)
    load = host.start("wrk", "-t1", "-c4", "-d5", f"http://127.0.0.1:{PORT}/x", name="wrk")
    first = sonde(f"port={PORT},netns={host.name}", tier=tier)
    wait_for(lambda: len(receiver.spans()) > 100, 10, "spans of the first agent")
    assert first.stop() == 0
    before = len(receiver.spans())
    second = sonde(f"port={PORT},netns={host.name}", tier=tier)
    wait_for(lambda: len(receiver.spans()) > before + 100, 10, "spans of the second agent, of connections older than it")
    load.popen.wait(15)
    assert "Socket errors" not in load.output() and "Non-2xx" not in load.output(), load.output()
    assert second.stop() == 0
    spans = receiver.spans()
    assert len({s.span_id for s in spans}) == len(spans)
    assert {s.attrs["http.response.status_code"] for s in spans} == {200}


@pytest.mark.parametrize("victim", ["loader", "worker"])
def test_killed(host, sonde, receiver, tier, victim):
    services.nginx(host, PORT)
    load = host.start("wrk", "-t1", "-c4", "-d3", f"http://127.0.0.1:{PORT}/x", name="wrk")
    agent = sonde(f"port={PORT},netns={host.name}", tier=tier)
    loader, worker = agent.halves()
    programs = own_programs(agent)
    assert programs
    wait_for(lambda: len(receiver.spans()) > 10, 10, "spans")
    os.kill(loader if victim == "loader" else worker, signal.SIGKILL)
    agent.process.popen.wait(10)
    wait_for(lambda: gone(worker), 10, "the worker's end")
    assert agent.process.popen.returncode == (-signal.SIGKILL if victim == "loader" else 1)
    if victim == "worker":
        assert "the worker ended by itself" in agent.log()
    wait_for(lambda: not programs & all_programs(), 10, "the end of every program")
    load.popen.wait(15)
    assert "Socket errors" not in load.output() and "Non-2xx" not in load.output(), load.output()
    before = len(receiver.spans())
    sonde(f"port={PORT},netns={host.name}", tier=tier).watching("nginx")
    client(host, {"to": ["127.0.0.1", PORT], "steps": request("/again") * 5})
    wait_for(lambda: len(receiver.spans()) >= before + 5, 10, "spans after the new start")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_stop_flushes_everything(host, sonde, receiver, sig):
    services.nginx(host, PORT)
    agent = sonde(f"port={PORT},netns={host.name}",
                  env={"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_METRIC_EXPORT_INTERVAL": "600000"})
    agent.watching("nginx")
    client(host, {"to": ["127.0.0.1", PORT], "steps": request("/x") * 50})
    began = time.monotonic()
    assert agent.stop(sig) == 0
    assert time.monotonic() - began < 5
    assert paths(receiver) == {"/x": 50}
    assert sum(p.count for _, p in receiver.points("http.server.request.duration")) == 50


# ---- processes ----

def test_children_are_watched_from_their_first_instruction(host, sonde, receiver, tier):
    services.nginx(host, OTHER)
    waits = str(host.directory / "fork")
    parent = script(host, "parent", WAIT, GET, f"""
wait({waits!r})
for i in range(20):
    child = os.fork()
    if child == 0:
        get({OTHER}, f"/{{i}}")
        os._exit(0)
    os.waitpid(child, 0)
wait({waits!r} + ".end")
""")
    p = host.start(PYTHON, parent, name="parent")
    sonde(f"pid={p.pid}", tier=tier).watching("parent")
    go(waits)
    spans = expect(receiver, 20, kind="client")
    assert {s.service for s in spans} == {"parent"}
    assert len(paths(receiver, kind="client")) == 20


def test_executed_programs_belong_to_the_process_that_was_meant(host, sonde, receiver, tier):
    services.nginx(host, OTHER)
    waits = str(host.directory / "exec")
    parent = script(host, "cron", WAIT, f"""
import subprocess
wait({waits!r})
for i in range(10):
    subprocess.run(["curl", "-s", "-o", "/dev/null", f"http://127.0.0.1:{OTHER}/{{i}}"], check=True)
wait({waits!r} + ".end")
""")
    p = host.start(PYTHON, parent, name="cron")
    sonde(f"pid={p.pid}", tier=tier).watching("cron")
    go(waits)
    spans = expect(receiver, 10, kind="client")
    assert len(paths(receiver, kind="client")) == 10
    assert all(s.attrs["http.response.status_code"] == 200 for s in spans)


def test_a_program_that_becomes_another(host, sonde, receiver, tier):
    """exec(): the same pid, another program, which a selector for that one sees."""
    waits = str(host.directory / "become")
    server = script(host, "after", SERVER)
    before = script(host, "before", WAIT, f"wait({waits!r})", f"os.execv({str(PYTHON)!r}, ['python', {str(server)!r}, '{PORT}'])")
    host.start(PYTHON, before, name="before")
    wait_for(lambda: os.path.exists(waits), 15, "the first program")
    agent = sonde(f"name=after,netns={host.name}", tier=tier)
    assert "watching" not in agent.log()
    go(waits)
    host.wait_port(PORT)
    agent.watching("after")
    client(host, {"to": ["127.0.0.1", PORT], "steps": request("/x") * 10})
    assert {s.service for s in expect(receiver, 10)} == {"after"}


def test_listeners_that_come_after_the_agent(host, sonde, receiver, tier):
    agent = sonde(f"port={PORT},netns={host.name}", tier=tier)
    services.nginx(host, PORT)
    agent.watching("nginx")
    client(host, {"to": ["127.0.0.1", PORT], "steps": request("/x") * 10}, {"to": ["::1", PORT], "steps": request("/y") * 10})
    expect(receiver, 20)
    assert paths(receiver) == {"/x": 10, "/y": 10}


def test_descriptors_handed_to_another_process(host, sonde, receiver, tier):
    """One process accepts, another one serves what it got by SCM_RIGHTS."""
    path = str(host.directory / "hand.sock")
    serving = script(host, "serving", SERVER.split("def main")[0], f"""
s = socket.create_server({path!r}, family=socket.AF_UNIX)
giver, _ = s.accept()
while True:
    _, fds, _, _ = socket.recv_fds(giver, 1, 1)
    serve(socket.socket(fileno=fds[0]))
""")
    accepting = script(host, "accepting", f"""
import socket
giver = socket.socket(socket.AF_UNIX)
giver.connect({path!r})
listener = socket.create_server(("127.0.0.1", {PORT}))
while True:
    conn, _ = listener.accept()
    socket.send_fds(giver, [b"x"], [conn.fileno()])
    conn.close()
""")
    host.start(PYTHON, serving, name="serving")
    wait_for(lambda: os.path.exists(path), 15, "who serves")
    host.start(PYTHON, accepting, name="accepting")
    host.wait_port(PORT)
    agent = sonde(f"netns={host.name},exe=*/python*", tier=tier)
    agent.watching("serving")
    agent.watching("accepting")
    one = {"to": ["127.0.0.1", PORT], "steps": request("/handed") * 5}
    client(host, one, one, one, one)
    wait_for(lambda: paths(receiver)["/handed"] >= 20, 15, "the requests that were handed on")
    assert paths(receiver) == {"/handed": 20}


def test_descriptor_numbers_reused_at_once(host, sonde, receiver, tier):
    """The same number is a server's connection, then a client's, a hundred times."""
    services.nginx(host, OTHER)
    both = script(host, "both", SERVER.split("def main")[0].replace("while reader.readline():", "if reader.readline():"), GET, f"""
listener = socket.create_server(("127.0.0.1", {PORT}))
for i in range(100):
    conn, _ = listener.accept()
    number = conn.fileno()
    serve(conn)
    s = socket.create_connection(("127.0.0.1", {OTHER}))
    assert s.fileno() == number
    s.close()
    get({OTHER}, f"/{{i}}")
""")
    host.start(PYTHON, both, name="both")
    host.wait_port(PORT)
    sonde(f"port={PORT},netns={host.name}", tier=tier).watching("both")
    client(host, *[{"to": ["127.0.0.1", PORT], "steps": request(f"/in/{i}")} for i in range(100)])
    expect(receiver, 100, kind="client")
    expect(receiver, 100, kind="server")
    assert set(paths(receiver).values()) == {1} and set(paths(receiver, kind="client").values()) == {1}


def test_failed_connects_are_counted(host, sonde, receiver, tier):
    waits = str(host.directory / "connect")
    caller = script(host, "caller", WAIT, f"""
import socket
wait({waits!r})
for i in range(7):
    try:
        socket.create_connection(("127.0.0.1", 9))
    except ConnectionRefusedError:
        pass
wait({waits!r} + ".end")
""")
    host.start(PYTHON, caller, name="caller")
    agent = sonde(f"name=caller,netns={host.name}", tier=tier)
    agent.watching("caller")
    go(waits)

    def counted():
        lines = [x for x in agent.get("/metrics").splitlines() if x.startswith("sonde_connect_failed")]
        return [x for x in lines if 'error_type="connection_refused"' in x and 'server_port="9"' in x and x.endswith(" 7")]
    wait_for(counted, 10, lambda: "seven refusals in\n" + "\n".join(x for x in agent.get("/metrics").splitlines() if "connect" in x))


# ---- selectors ----

def inode(host):
    return os.stat(f"/run/netns/{host.name}").st_ino


HERE = "netns={host.name}"
SELECTORS = {
    "port": ([f"port={PORT},{HERE}"], [], {"nginx"}),
    "exe": ([f"exe=*/nginx,{HERE}"], [], {"nginx"}),
    "exe without a slash": ([f"exe=python*,{HERE}"], [], {"plain"}),
    "pid": (["pid={pid}"], [], {"plain"}),
    "cgroup": (["cgroup=/{host.name}"], [], {"nginx", "plain"}),
    "netns by name": ([HERE], [], {"nginx", "plain"}),
    "netns by inode": (["netns={inode}"], [], {"nginx", "plain"}),
    "name": ([f"name=plain,{HERE}"], [], {"plain"}),
    "comma is and": ([f"port={PORT},exe=python*,{HERE}", f"name=plain,{HERE}"], [], {"plain"}),
    "several are or": ([f"port={PORT},{HERE}", f"port={OTHER},{HERE}"], [], {"nginx", "plain"}),
    "exclude": ([HERE], [f"name=plain,{HERE}"], {"nginx"}),
    "exclude by port": ([HERE], [f"port={PORT}"], {"plain"}),
}


@pytest.mark.parametrize("case", SELECTORS)
def test_selectors(host, sonde, receiver, case):
    services.nginx(host, PORT)
    plain = host.start(PYTHON, script(host, "plain", SERVER), OTHER, name="plain")
    host.wait_port(OTHER)
    select, exclude, wanted = SELECTORS[case]
    words = {"host": host, "pid": plain.pid, "inode": inode(host)}
    args = [a for e in exclude for a in ("--exclude", e.format(**words))]
    agent = sonde([s.format(**words) for s in select], args=args)
    for name in wanted:
        agent.watching(name)
    client(host, {"to": ["127.0.0.1", PORT], "steps": request("/n") * 3}, {"to": ["127.0.0.1", OTHER], "steps": request("/p") * 3})
    for name in wanted:
        expect(receiver, 3, service=name)
    assert agent.stop() == 0
    assert {s.service for s in receiver.spans(kind="server")} == wanted


def test_names_from_the_configuration(host, sonde, receiver):
    services.nginx(host, PORT)
    config = host.directory / "sonde.yaml"
    config.write_text(f"""
services:
  - match: port={PORT},netns={host.name}
    name: edge
  - name=nginx -> other
""")
    sonde(f"netns={host.name}", args=["--config", config]).watching("edge")
    client(host, {"to": ["127.0.0.1", PORT], "steps": request("/n") * 3})
    assert {s.service for s in expect(receiver, 3)} == {"edge"}
