# SPDX-License-Identifier: Apache-2.0
"""What sonde costs on this machine, in one run: nginx with and without it, in interleaved rounds. Prints one table.

Everything lives in a network namespace and a cgroup of its own. Figures are CPU time by the scheduler's accounts, so
that other load on the machine disturbs them little; the spread over the rounds says how much."""
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402
import services  # noqa: E402
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: E402

BENCH = harness.ROOT / "build" / "bench"
ROUNDS, SECONDS = 4, 1.0
PORT, OTHER_PORT = 8080, 8081
LOCATION = "access_log off; location / { return 200 '" + "x" * 200 + "'; }"


class Sink(harness.Receiver):
    """Keeps requests as they are: decoding them is for later, when nothing is measured."""

    def __init__(self):
        self.bodies, self.first = [], threading.Event()
        super().__init__()

    def take(self, path, body):
        if path == "/v1/traces":
            self.bodies.append(body)
            self.first.set()

    def count(self):
        return sum(len(ss.spans) for body in self.bodies
                   for rs in trace_service_pb2.ExportTraceServiceRequest.FromString(body).resource_spans
                   for ss in rs.scope_spans)


def cpu_ns(pids):
    """Time on a CPU so far, user and kernel, all threads."""
    return sum(int((task / "schedstat").read_text().split()[0])
               for pid in pids for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def rss_bytes(pids):
    return sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 for pid in pids)


class Bench:
    def __init__(self):
        self.rows, self.host = [], harness.Host()
        services.nginx(self.host, PORT, LOCATION, name="watched")
        self.nginx = self.host.pids()
        services.nginx(self.host, OTHER_PORT, LOCATION, name="other")

    def agent(self, port, sink):
        quick = {"OTEL_METRIC_EXPORT_INTERVAL": "5000", "OTEL_BSP_SCHEDULE_DELAY": "500"}
        a = harness.Agent(self.host.directory, f"port={port},netns={self.host.name}", sink.url, env=quick)
        a.watching("nginx")
        return a

    def load(self, connections, seconds, rate=0):
        return json.loads(self.host.run(BENCH / "load", PORT, "/", connections, seconds, rate, seconds=seconds + 20))

    def row(self, what, value, unit, note=""):
        self.rows.append((what, value, unit, note))

    def nginx_us(self, connections):
        """CPU of nginx per request, and requests per second."""
        before = cpu_ns(self.nginx)
        done = self.load(connections, SECONDS)
        return (cpu_ns(self.nginx) - before) / 1000 / done["got"], done["got"] / done["seconds"]

    def compare(self):
        """nginx alone, watched, and beside another service that is: in turns, so that all see the same machine."""
        states, figures = {"none": None, "watched": PORT, "unselected": OTHER_PORT}, {}
        for _ in range(ROUNDS):
            for state, port in states.items():
                sink = Sink()
                agent = self.agent(port, sink) if port else None
                for c in (1, 32):
                    figures.setdefault((state, c), []).append(self.nginx_us(c))
                if agent:
                    agent.stop()
                sink.close()
        for c in (1, 32):
            for i, (what, unit) in enumerate((("CPU of nginx per request", "us"), ("requests", "1/s"))):
                base = statistics.median(f[i] for f in figures["none", c])
                for state in states:
                    all_ = [f[i] for f in figures[state, c]]
                    change = "" if state == "none" else f"{(statistics.median(all_) / base - 1) * 100:+.1f} %, "
                    self.row(f"{what}, {c} connection{'s' * (c > 1)}, {state}", statistics.median(all_), unit,
                             f"{change}{min(all_):.1f} .. {max(all_):.1f}")

    def cost(self):
        sink = Sink()
        agent = self.agent(PORT, sink)
        halves = agent.halves()
        self.row("RSS of both halves, start", rss_bytes(halves) / 1e6, "MB")
        for rate in (5000, 20000):
            sink.bodies.clear()
            before = cpu_ns(halves)
            done = self.load(32, 3, rate)
            if rate == 5000:
                self.row("RSS under load", rss_bytes(halves) / 1e6, "MB", f"{rate} requests/s")
            total = [-1]

            def settled():
                """Until no more spans come."""
                time.sleep(0.7)
                total.append(sink.count())
                return total[-1] == total[-2]
            harness.wait_for(settled, 20, "the last span")
            spent = (cpu_ns(halves) - before) / 1000 / done["got"]
            self.row(f"agent CPU per exchange, {done['got'] / 3:.0f} requests/s", spent, "us", "with sending, both halves")
            lost = done["got"] + 1 - total[-1]	# + the one that showed how long an answer is
            self.row(f"spans lost at {rate} requests/s", lost / done["got"] * 100, "%",
                     f"{lost} of {done['got']}, {done['p99_us']} us p99")
        self.row("RSS idle", rss_bytes(halves) / 1e6, "MB")
        memory = [l for l in agent.get("/metrics").splitlines() if l.startswith("sonde_bpf_memory")]
        self.row("BPF maps", sum(float(l.split()[-1]) for l in memory) / 1e6, "MB")
        before = cpu_ns(halves)
        time.sleep(2)
        self.row("agent CPU, idle", (cpu_ns(halves) - before) / 2e9 * 100, "% of a core")
        agent.stop()
        sink.close()

    def first_span(self):
        """From exec to the first span at the receiver, requests coming all the time."""
        sink = Sink()
        loading = threading.Thread(target=self.load, args=(4, 4, 1000))
        loading.start()
        begin = time.monotonic()
        agent = harness.Agent(self.host.directory, f"port={PORT},netns={self.host.name}", sink.url,
                              env={"OTEL_BSP_SCHEDULE_DELAY": "10"})
        sink.first.wait(10)
        self.row("start to first span", time.monotonic() - begin, "s", "connections older than the agent")
        loading.join()
        agent.stop()
        sink.close()

    def micro(self):
        for name in ("bench_pipeline", "bench_proto", "bench_export", "bench_db"):
            out = subprocess.run([BENCH / name], capture_output=True, text=True, check=True, timeout=60).stdout
            under = ""
            for line in out.splitlines():
                value, _, what = line.strip().partition(" ns per ")
                if what:
                    self.row(f"{name[6:]}: {what}{under}", float(value), "ns")
                elif line.endswith(":"):
                    under = f" ({line[:-1]})"

    def table(self):
        width = max(len(r[0]) for r in self.rows)
        for what, value, unit, note in self.rows:
            print(f"{what:<{width}}  {value:>10.2f} {unit:<12} {note}")


def main():
    bench = Bench()
    try:
        for part in (bench.first_span, bench.cost, bench.compare, bench.micro):
            begin = time.monotonic()
            part()
            print(f"# {part.__name__}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
        bench.table()
    finally:
        bench.host.close()


if __name__ == "__main__":
    main()
