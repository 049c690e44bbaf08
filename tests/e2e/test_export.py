# SPDX-License-Identifier: Apache-2.0
"""Everything that leaves sonde: to endpoints that misbehave, to a real Collector, to stdout, to a scraper.

The truth is the number of requests that were sent to nginx."""
import base64
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from harness import APPS, PYTHON, ROOT, SONDE, Process, free_port, wait_for
import services

PORT = 8080
FAKE = ROOT / "tests" / "e2e" / "fake_otlp.py"
CONTENT = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def nginx(host):
    return services.nginx(host, PORT)


def request(host, n, path="/x"):
    step = [{"send": f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"}, {"read": ["GET"]}]
    host.run(PYTHON, APPS / "client.py", input=json.dumps([{"to": ["127.0.0.1", PORT], "steps": step * n}]).encode())


def complete_lines(path):
    """JSON lines of a file that is still being written."""
    return [json.loads(line) for line in path.read_text().rpartition("\n")[0].splitlines()] if path.exists() else []


class Fake:
    """fake_otlp.py on ports of its own."""

    def __init__(self, directory, *faults, http=0):
        self.out = pathlib.Path(directory) / f"fake.{id(self)}.jsonl"
        self.process = Process([sys.executable, FAKE, "--http", http, "--bodies", "--out", self.out, *faults],
                               self.out.with_suffix(".log"))
        wait_for(lambda: "READY" in self.process.output(), 10, lambda: f"a fake endpoint:\n{self.process.output()}")
        self.http, self.grpc = map(int, re.search(r"http=(\d+) grpc=(\d+)", self.process.output()).groups())
        self.url = f"http://127.0.0.1:{self.http}"

    def requests(self):
        return complete_lines(self.out)

    def accepted(self, path="/v1/traces", faults=("ok", "gzip")):
        """Spans (or data points) in requests that were answered well."""
        kind = {"/v1/traces": trace_service_pb2.ExportTraceServiceRequest,
                "/v1/metrics": metrics_service_pb2.ExportMetricsServiceRequest}[path]
        good = [r for r in self.requests() if r.get("path") == path and r["fault"].split(":")[0] in faults]
        return [kind.FromString(bytes.fromhex(r["body"])) for r in good]

    def span_count(self):
        return sum(len(ss.spans) for r in self.accepted() for rs in r.resource_spans for ss in rs.scope_spans)


@pytest.fixture
def fake(host):
    """fake(*faults, http=0) starts an endpoint."""
    started = []

    def start(*faults, **more):
        started.append(Fake(host.directory, *faults, **more))
        return started[-1]
    yield start
    for f in started:
        if f.process.running():
            f.process.stop(signal.SIGKILL)


def watch(host, sonde, **more):
    agent = sonde(f"port={PORT},netns={host.name}", **more)
    agent.watching("nginx")
    return agent


def samples(agent, name):
    """{labels: value} of a sample name in the scrape."""
    return {tuple(sorted(s.labels.items())): s.value for f in parse_text(agent.get("/metrics")) for s in f.samples if s.name == name}


def drops(agent, cause, signal="traces"):
    return sum(v for k, v in samples(agent, "sonde_export_dropped_total").items()
               if ("cause", cause) in k and ("signal", signal) in k)


# ---- endpoints that misbehave: metrics are off (OTEL_METRICS_EXPORTER) so that every fault meets spans ----

SPANS_ONLY = {"OTEL_METRICS_EXPORTER": "none"}


def test_an_absent_endpoint_that_comes_back(host, sonde, fake, nginx):
    port = free_port()
    agent = watch(host, sonde, endpoint=f"http://127.0.0.1:{port}",
                  env={**SPANS_ONLY, "OTEL_BSP_MAX_QUEUE_SIZE": "50", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "25"})
    request(host, 200)
    wait_for(lambda: drops(agent, "export_queue_full") >= 100, 10, "the oldest spans dropped and counted")
    endpoint = fake("ok", http=port)
    request(host, 5, "/after")
    wait_for(lambda: b"/after" in b"".join(r.SerializeToString() for r in endpoint.accepted()), 15, "spans after it came back")
    dropped = sum(drops(agent, c) for c in ("export_queue_full", "export_failed", "export_rejected"))
    wait_for(lambda: endpoint.span_count() + sum(drops(agent, c) for c in ("export_queue_full", "export_failed")) == 205, 15,
             lambda: f"every span sent or counted ({endpoint.span_count()} + {dropped})")


@pytest.mark.parametrize("fault", ["429:1", "503", "503:date", "close"])
def test_what_fails_for_a_while_is_sent_again(host, sonde, fake, nginx, fault):
    endpoint = fake(fault, "ok")
    agent = watch(host, sonde, endpoint=endpoint.url, env=SPANS_ONLY)
    request(host, 20)
    wait_for(lambda: sum(samples(agent, "otel_sdk_exporter_span_exported_total").values()) >= 20, 15,
             lambda: f"20 spans accepted\n{agent.log()}")
    retries = samples(agent, "sonde_export_retries_total")
    assert sum(v for k, v in retries.items() if ("signal", "traces") in k) >= 1
    assert endpoint.span_count() == 20
    assert drops(agent, "export_failed") == 0 and drops(agent, "export_queue_full") == 0


@pytest.mark.parametrize("fault", ["400", "401", "404", "redirect", "garbage", "html", "huge"])
def test_what_is_refused_is_counted_and_said(host, sonde, fake, nginx, fault):
    endpoint = fake(fault)
    agent = watch(host, sonde, endpoint=endpoint.url, env=SPANS_ONLY)
    request(host, 20)
    cause = "export_failed" if fault == "garbage" else "export_rejected"  # nobody answered, or somebody said no
    wait_for(lambda: drops(agent, cause) == 20, 15,
             lambda: f"20 drops ({samples(agent, 'sonde_export_dropped_total')})")
    assert re.search(r"warn  worker: export of traces: .*\(\d+ failures, \d+ items lost\)", agent.log())


@pytest.mark.parametrize("fault, refused", [("partial:3", 3), ("gzip", 1)])
def test_what_is_partly_refused_is_counted(host, sonde, fake, nginx, fault, refused):
    """The fake's compressed answer also says that one span was bad."""
    endpoint = fake(fault, "ok")
    agent = watch(host, sonde, endpoint=endpoint.url, env=SPANS_ONLY)
    request(host, 20)
    wait_for(lambda: drops(agent, "export_rejected") == refused, 15, "those that were refused")
    wait_for(lambda: sum(samples(agent, "otel_sdk_exporter_span_exported_total").values()) == 20 - refused, 15, "the others")


def test_too_large_requests_are_split(host, sonde, fake, nginx):
    endpoint = fake("limit:9000")
    agent = watch(host, sonde, endpoint=endpoint.url, env={**SPANS_ONLY, "OTEL_BSP_SCHEDULE_DELAY": "1000"})
    request(host, 200)
    wait_for(lambda: sum(samples(agent, "otel_sdk_exporter_span_exported_total").values()) == 200, 15,
             lambda: f"200 spans in small requests\n{agent.log()}")
    assert any(r["bytes"] > 9000 for r in endpoint.requests()) and drops(agent, "export_rejected") == 0


def test_an_endpoint_that_hangs_delays_nothing_but_itself(host, sonde, fake, nginx):
    endpoint = fake("hang")
    agent = watch(host, sonde, endpoint=endpoint.url, env={"OTEL_EXPORTER_OTLP_TIMEOUT": "500", "OTEL_BSP_EXPORT_TIMEOUT": "1000"})
    request(host, 20)
    wait_for(lambda: drops(agent, "export_failed") == 20, 15, lambda: f"20 drops\n{agent.get('/metrics')}")
    counted = samples(agent, "http_server_request_duration_seconds_count")
    assert sum(counted.values()) == 20, "the scrape has them all the same"
    assert agent.stop() == 0


# ---- settings of the specification ----

def test_variables_of_the_specification(host, sonde, fake, nginx):
    traces, metrics = fake("ok"), fake("ok")
    agent = watch(host, sonde, endpoint=None, env={
        "OTEL_EXPORTER_OTLP_ENDPOINT": metrics.url, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{traces.url}/v1/traces",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b,x-more=1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-tenant=traces"})
    request(host, 10)
    wait_for(lambda: traces.span_count() == 10 and metrics.accepted("/v1/metrics"), 15, "both signals at their own endpoints")
    assert {r["path"] for r in traces.requests()} == {"/v1/traces"} and {r["path"] for r in metrics.requests()} == {"/v1/metrics"}
    spans, points = traces.requests()[0], metrics.requests()[0]
    assert spans["headers"]["x-tenant"] == "traces" and points["headers"]["x-tenant"] == "a b"
    assert points["headers"]["x-more"] == "1"
    assert spans["headers"]["content-encoding"] == "gzip"
    assert spans["headers"]["content-type"] == "application/x-protobuf"
    assert "sonde" in spans["headers"]["user-agent"].lower()
    assert agent.stop() == 0


def test_sdk_disabled_sends_nothing(host, sonde, fake, nginx):
    endpoint = fake("ok")
    agent = watch(host, sonde, endpoint=endpoint.url, env={"OTEL_SDK_DISABLED": "true"})
    request(host, 10)
    wait_for(lambda: sum(samples(agent, "http_server_request_duration_seconds_count").values()) == 10, 10, "the scrape")
    assert agent.stop() == 0
    assert endpoint.requests() == []


def test_metrics_without_traces(host, sonde, receiver, nginx):
    agent = watch(host, sonde, env={"OTEL_TRACES_EXPORTER": "none"})
    request(host, 30)
    wait_for(lambda: sum(p.count for _, p in receiver.points("http.server.request.duration")) == 30, 10, "30 requests counted")
    assert agent.stop() == 0
    assert receiver.spans() == []


def durations(fake, temporality):
    """Data points of http.server.request.duration that came, in order."""
    found = []
    for r in fake.accepted("/v1/metrics"):
        for m in (m for rm in r.resource_metrics for sm in rm.scope_metrics for m in sm.metrics):
            if m.name == "http.server.request.duration":
                data = getattr(m, m.WhichOneof("data"))
                assert data.aggregation_temporality == temporality
                found += list(data.data_points)
    return found


def test_delta_temporality(host, sonde, fake, nginx):
    endpoint = fake("ok")
    watch(host, sonde, endpoint=endpoint.url, env={"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"})
    delta = metrics_pb2.AGGREGATION_TEMPORALITY_DELTA
    for n in (10, 20, 30):
        before = sum(p.count for p in durations(endpoint, delta))
        request(host, n)
        wait_for(lambda: sum(p.count for p in durations(endpoint, delta)) == before + n, 10, f"{n} more")
    points = sorted(durations(endpoint, delta), key=lambda p: p.time_unix_nano)
    assert sum(p.count for p in points) == 60
    for one, two in zip(points, points[1:]):
        assert one.start_time_unix_nano < one.time_unix_nano <= two.start_time_unix_nano


def test_explicit_buckets(host, sonde, receiver, nginx):
    watch(host, sonde, env={"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "explicit_bucket_histogram"})
    request(host, 10)
    wait_for(lambda: sum(p.count for _, p in receiver.points("http.server.request.duration")) == 10, 10, "10 requests")
    (_, point), = receiver.points("http.server.request.duration")
    assert list(point.explicit_bounds)[:3] == [0.005, 0.01, 0.025] and sum(point.bucket_counts) == 10


# ---- the real Collector ----

@pytest.fixture
def collector(host):
    out = host.directory / "collector.jsonl"
    ports = [free_port() for _ in range(3)]
    p = Process([ROOT / "scripts" / "collector", *ports, out], host.directory / "collector.log")
    wait_for(lambda: "READY" in p.output(), 600, lambda: f"the Collector:\n{p.output()[-2000:]}")
    yield ports, out
    p.stop()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_real_collector(host, sonde, collector, nginx, protocol, compression):
    (grpc, http, _), out = collector
    agent = watch(host, sonde, endpoint=f"http://127.0.0.1:{grpc if protocol == 'grpc' else http}",
                  env={"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_COMPRESSION": compression})
    request(host, 25)

    def lines(key):
        return [x for x in complete_lines(out) if key in x]

    def spans():
        return [s for x in lines("resourceSpans") for rs in x["resourceSpans"] for ss in rs["scopeSpans"] for s in ss["spans"]]

    def metrics():
        return {m["name"] for x in lines("resourceMetrics") for rm in x["resourceMetrics"] for sm in rm["scopeMetrics"] for m in sm["metrics"]}
    wait_for(lambda: len(spans()) == 25 and "http.server.request.duration" in metrics(), 15,
             lambda: f"25 spans and metrics ({len(spans())} spans, {metrics()})\n{agent.log()}")
    assert {s["name"] for s in spans()} == {"GET /x"}
    names = {a["key"] for x in lines("resourceSpans") for rs in x["resourceSpans"] for a in rs["resource"]["attributes"]}
    assert {"service.name", "service.instance.id", "process.pid", "host.name", "telemetry.sdk.name"} <= names
    assert "process.command_line" not in names


# ---- stdout ----

def test_json_on_stdout_is_otlp(host, nginx):
    """Nothing but OTLP/JSON lines on stdout; logs on stderr."""
    out, log = host.directory / "out.jsonl", host.directory / "log"
    argv = [str(SONDE), "run", "--select", f"port={PORT},netns={host.name}", "--listen", "off", "--print=json"]
    with open(out, "wb") as o, open(log, "wb") as l:
        p = subprocess.Popen(argv, stdout=o, stderr=l, env={**os.environ, "OTEL_METRIC_EXPORT_INTERVAL": "500"})
        try:
            wait_for(lambda: "watching nginx" in log.read_text(), 15, lambda: f"watching\n{log.read_text()}")
            request(host, 15)
        finally:
            p.send_signal(signal.SIGINT)
            assert p.wait(10) == 0
    spans, metrics = 0, set()
    for line in out.read_text().splitlines():
        kind = trace_service_pb2.ExportTraceServiceRequest if "resourceSpans" in json.loads(line) else \
            metrics_service_pb2.ExportMetricsServiceRequest
        parsed = json_format.Parse(ids_in_base64(line), kind())
        if kind is trace_service_pb2.ExportTraceServiceRequest:
            spans += sum(len(ss.spans) for rs in parsed.resource_spans for ss in rs.scope_spans)
        else:
            metrics |= {m.name for rm in parsed.resource_metrics for sm in rm.scope_metrics for m in sm.metrics}
    assert spans == 15
    assert {"http.server.request.duration", "sonde.coverage"} <= metrics


def ids_in_base64(line):
    """OTLP/JSON has ids in hex; protobuf's own JSON reader wants base64."""
    return re.sub(r'"(traceId|spanId|parentSpanId)":"([0-9a-f]*)"',
                  lambda m: f'"{m[1]}":"{base64.b64encode(bytes.fromhex(m[2])).decode()}"', line)


# ---- the scrape ----

def test_scrape_in_both_formats(host, sonde, nginx):
    agent = watch(host, sonde)
    request(host, 40)
    wait_for(lambda: sum(samples(agent, "http_server_request_duration_seconds_count").values()) == 40, 10, "40 requests")
    wait_for(lambda: samples(agent, "sonde_bpf_firings_total"), 10, "the loader's figures")
    text = {f.name: f for f in parse_text(agent.get("/metrics"))}
    opened = {f.name: f for f in parse_openmetrics(agent.get("/metrics", accept=CONTENT))}
    assert text["http_server_request_duration_seconds"].type == opened["http_server_request_duration_seconds"].type == "histogram"
    for name in ("sonde_coverage_ratio", "sonde_exchanges", "sonde_dropped", "sonde_bpf_firings", "sonde_bpf_time_seconds",
                 "process_cpu_time_seconds", "process_memory_usage_bytes", "sonde_export_dropped"):
        assert name in opened, sorted(opened)


def test_exemplars_name_exported_traces(host, sonde, receiver, nginx):
    agent = watch(host, sonde)
    request(host, 10)
    wait_for(lambda: len(receiver.spans()) == 10, 10, "10 spans")
    known = {s.trace_id for s in receiver.spans()}

    def exemplars():
        families = parse_openmetrics(agent.get("/metrics", accept=CONTENT))
        return {s.exemplar.labels["trace_id"] for f in families for s in f.samples if s.exemplar}
    assert wait_for(exemplars, 10, "an exemplar") <= known


def test_livez_and_readyz(host, sonde, nginx):
    agent = watch(host, sonde)
    assert agent.get("/livez").startswith("ok") and agent.get("/readyz").startswith("ok")
    with pytest.raises(urllib.error.HTTPError) as e:
        agent.get("/nothing")
    assert e.value.code == 404


def test_a_hanging_endpoint_does_not_hold_up_the_stop(host, sonde, fake, nginx):
    endpoint = fake("hang")
    agent = watch(host, sonde, endpoint=endpoint.url)
    request(host, 20)
    wait_for(endpoint.requests, 10, "a request under way")
    began = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - began < 5.5


def test_a_taken_port_is_said_and_ends_it(host, nginx):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run([SONDE, "run", "--select", f"port={PORT},netns={host.name}", "--listen", address],
                              capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"listen on {address}: Address already in use" in done.stderr
