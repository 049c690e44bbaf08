# SPDX-License-Identifier: Apache-2.0
"""What every end-to-end test uses: a host of its own (network namespace + cgroup), an OTLP receiver that decodes
with OpenTelemetry's own classes, and the agent, which never runs without a selector.

Nothing here sleeps to synchronise: everything waits for a condition, with a deadline.
"""
import collections
import gzip
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
SONDE = pathlib.Path(os.environ.get("E2E_BINARY", ROOT / "build" / "sonde"))
PYTHON = ROOT / "build" / "venv" / "bin" / "python"
APPS = ROOT / "tests" / "e2e" / "apps"
CGROUP2 = next(p for p in (pathlib.Path("/sys/fs/cgroup/unified"), pathlib.Path("/sys/fs/cgroup"))
               if (p / "cgroup.procs").exists())


def wait_for(condition, seconds=15, what="the condition"):
    """Polls until condition() is true and returns its value; fails with `what` (text, or what makes it) after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what() if callable(what) else what} did not come true within {seconds} s")
        time.sleep(0.01)


class Process:
    """A child that the test started; stopped by its pid, its output in a file."""

    def __init__(self, argv, log, env=None, cwd=None, stdin=None):
        self.argv, self.log = [str(a) for a in argv], pathlib.Path(log)
        self.file = open(self.log, "wb")
        self.popen = subprocess.Popen(self.argv, stdout=self.file, stderr=subprocess.STDOUT, stdin=stdin or subprocess.DEVNULL,
                                      env={**os.environ, **(env or {})}, cwd=cwd)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def stop(self, sig=signal.SIGTERM, seconds=10):
        """Signals, waits, returns the exit code."""
        if self.running():
            self.popen.send_signal(sig)
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.argv[0]} did not stop:\n{self.output()[-2000:]}")
        finally:
            self.file.close()
        return code


class Host:
    """A network namespace with loopback up and a cgroup: what the tests' services live in."""
    count = 0

    def __init__(self):
        Host.count += 1
        self.name = f"sonde-{os.getpid()}-{Host.count}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=self.name + "-"))
        self.directory.chmod(0o755)
        self.processes = []
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        self.cgroup = CGROUP2 / self.name
        self.cgroup.mkdir()

    def argv(self, argv):
        # The cgroup first: `ip netns exec` mounts a /sys of its own.
        join = f'echo $$ >{self.cgroup}/cgroup.procs && exec ip netns exec {self.name} "$@"'
        return ["sh", "-c", join, "sh", *map(str, argv)]

    def start(self, *argv, name="process", env=None, cwd=None):
        p = Process(self.argv(argv), self.directory / f"{name}.{len(self.processes)}.log", env, cwd or self.directory)
        self.processes.append(p)
        return p

    def run(self, *argv, seconds=60, env=None, input=None):
        """Runs to its end and returns its output; fails when it fails."""
        done = subprocess.run(self.argv(argv), capture_output=True, timeout=seconds, env={**os.environ, **(env or {})},
                              cwd=self.directory, input=input)
        assert done.returncode == 0, f"{argv} failed: {done.stderr.decode(errors='replace')[-2000:]}"
        return done.stdout.decode(errors="replace")

    def wait_port(self, port, seconds=60):
        """Until something listens on that port in this namespace."""
        def listens():
            out = subprocess.run(["ip", "netns", "exec", self.name, "ss", "-Hltn", f"sport = :{port}"],
                                 capture_output=True, text=True).stdout
            if not out and self.processes and not self.processes[-1].running():
                raise AssertionError(f"ended early: {self.processes[-1].output()[-2000:]}")
            return out
        wait_for(listens, seconds, f"a listener on port {port}")

    def pids(self):
        return [int(p) for p in (self.cgroup / "cgroup.procs").read_text().split()]

    def close(self):
        for p in reversed(self.processes):
            try:
                p.stop()
            except AssertionError:
                pass
        # What a service forked away from its parent is still in our own cgroup, and only that.
        for _ in range(200):
            pids = self.pids()
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)
        self.cgroup.rmdir()
        subprocess.run(["ip", "netns", "del", self.name], check=True)
        shutil.rmtree(self.directory, ignore_errors=True)


Span = collections.namedtuple("Span", "service kind name trace_id span_id parent_id start end attrs status resource links")
KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


def any_value(v):
    which = v.WhichOneof("value")
    return getattr(v, which) if which else None


def attributes(kvs):
    return {kv.key: any_value(kv.value) for kv in kvs}


class Receiver:
    """OTLP/HTTP on loopback; keeps every decoded span and the newest value of each metric series."""

    def __init__(self):
        self.lock, self._spans, self._points = threading.Lock(), [], {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.take(self.path, body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, body):
        if path == "/v1/traces":
            request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
            with self.lock:
                for rs in request.resource_spans:
                    resource = attributes(rs.resource.attributes)
                    for ss in rs.scope_spans:
                        self._spans += [self.span(resource, s) for s in ss.spans]
        elif path == "/v1/metrics":
            request = metrics_service_pb2.ExportMetricsServiceRequest.FromString(body)
            with self.lock:
                for rm in request.resource_metrics:
                    resource = attributes(rm.resource.attributes)
                    whose = resource.get("service.name"), resource.get("service.instance.id")
                    for sm in rm.scope_metrics:
                        for m in sm.metrics:
                            for p in getattr(m, m.WhichOneof("data")).data_points:
                                key = (whose, m.name, tuple(sorted(attributes(p.attributes).items(), key=str)))
                                self._points[key] = p

    @staticmethod
    def span(resource, s):
        return Span(resource.get("service.name"), KINDS.get(s.kind, "?"), s.name, s.trace_id.hex(), s.span_id.hex(),
                    s.parent_span_id.hex(), s.start_time_unix_nano, s.end_time_unix_nano, attributes(s.attributes),
                    s.status.code, resource, [(l.trace_id.hex(), l.span_id.hex()) for l in s.links])

    def spans(self, **wanted):
        """Spans so far; service=, kind=, name= filter."""
        with self.lock:
            return [s for s in self._spans if all(getattr(s, k) == v for k, v in wanted.items())]

    def points(self, metric, service=None):
        """[(attributes, newest data point)] of a metric, of all instances."""
        with self.lock:
            return [(dict(a), p) for ((s, _), m, a), p in self._points.items() if m == metric and service in (None, s)]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Agent:
    """build/sonde run; refuses to start without a selector for what the test started."""

    def __init__(self, directory, select, endpoint=None, tier="auto", args=(), env=None):
        assert select, "the agent never runs without a selector"
        self.port = free_port()
        argv = [SONDE, "run", "--listen", f"127.0.0.1:{self.port}", "--capture", tier]
        for s in [select] if isinstance(select, str) else select:
            argv += ["--select", s]
        if endpoint:
            argv += ["--otlp-endpoint", endpoint]
        quick = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "500", **(env or {})}
        self.stdout = pathlib.Path(directory) / f"sonde.{self.port}.out"
        self.process = Process([*argv, *args], pathlib.Path(directory) / f"sonde.{self.port}.log", quick)
        wait_for(self.ready, 20, "the agent's readiness")

    def ready(self):
        assert self.process.running(), f"the agent ended:\n{self.log()}"
        try:
            return self.get("/readyz").startswith("ok")
        except OSError:
            return False

    def get(self, path, accept=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"Accept": accept} if accept else {})
        with urllib.request.urlopen(request, timeout=5) as r:
            return r.read().decode()

    def log(self):
        return self.process.output()

    def halves(self):
        """Pids of loader and worker."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def watching(self, name):
        """Waits until a service of that name is watched."""
        wait_for(lambda: f"watching {name} " in self.log(), 15, f"the agent watching {name}:\n{self.log()}")

    def stop(self, sig=signal.SIGTERM):
        """Flushes and ends; returns the exit code."""
        return self.process.stop(sig)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def request_log(path):
    """The truth: one JSON line per request that a service wrote."""
    path = pathlib.Path(path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
