#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads what gen_otlp wrote with OpenTelemetry's generated classes and Prometheus' parsers.

usage: check_otlp.py GEN_OTLP   (needs the packages opentelemetry-proto and prometheus_client)
"""
import base64, glob, json, os, subprocess, sys, tempfile

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

T0 = 1790000000000000000
NOW = T0 + 60 * 10**9
SCHEMA = "https://opentelemetry.io/schemas/"
BAD = "\ufffd"
ROUTE = '/a"b\\c\nd/' + BAD * 3


def value(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def attrs(list_of_pairs):
    out = {kv.key: value(kv.value) for kv in list_of_pairs}
    assert len(out) == len(list_of_pairs), "a key came twice"
    return out


def equal(got, want, what):
    assert got == want, f"{what}: got {str(got)[:2000]!r}, want {str(want)[:2000]!r}"


def check_full_resource(a):
    equal(a["service.name"], "orders", "service.name")
    equal(a["service.namespace"], "shop", "service.namespace")
    equal(a["service.version"], "1.2.3", "service.version")
    equal(a["service.instance.id"], "orders-1", "service.instance.id")
    equal(a["deployment.environment.name"], "prod,eu", "percent-decoded attribute")
    equal(a["half"], "50%", "bad escape")
    equal(a["host.name"], "mine", "what the process says of itself comes first")
    equal(a["process.pid"], 4242, "process.pid")
    equal(a["process.executable.path"], "/usr/bin/python3.11", "process.executable.path")
    equal(a["process.executable.name"], "python3.11", "process.executable.name")
    equal(a["process.runtime.name"], "cpython", "process.runtime.name")
    equal(a["process.owner"], "www-data", "process.owner")
    equal(a["container.id"], "0123abcd", "container.id")
    equal(a["os.type"], "linux", "os.type")
    equal((a["telemetry.sdk.name"], a["telemetry.sdk.language"]), ("sonde", "c"), "telemetry.sdk")
    assert a["telemetry.sdk.version"]
    assert "bad" not in a and "empty" not in a
    assert not any(k.startswith("process.command") for k in a)


def check_server_span(s):
    equal(s.trace_id, b"\xa1" * 16, "trace_id")
    equal(s.span_id, b"\xb1" * 8, "span_id")
    equal(s.parent_span_id, b"\xc1" * 8, "parent_span_id")
    equal(s.trace_state, "ot=th:8,vendor=x", "trace_state")
    equal(s.flags, 0x301, "flags: sampled, the parent is known to be remote")
    equal(s.name, f"GET /caf\u00e9/{BAD}", "name")
    equal(s.kind, s.SPAN_KIND_SERVER, "kind")
    equal((s.start_time_unix_nano, s.end_time_unix_nano), (T0 + 10**9, T0 + 10**9 + 20 * 10**6), "times")
    equal(attrs(s.attributes), {
        "http.request.method": "GET", "http.route": ROUTE, "http.response.status_code": 500, "negative": -5,
        "sonde.time_to_first_byte": 0.1, "sonde.head_cut": True,
        "sonde.link.method": "wire", "sonde.link.confidence": 0.5}, "attributes")
    equal(s.dropped_attributes_count, 3, "dropped attributes")
    equal(len(s.links), 1, "links")
    link = s.links[0]
    equal((link.trace_id, link.span_id), (b"\xd1" * 16, b"\xe1" * 8), "link ids")
    equal(attrs(link.attributes), {"sonde.link.method": "first_send", "sonde.link.confidence": 0.25}, "link")
    equal((s.status.code, s.status.message), (2, f"bad {BAD} message"), "status")


def check_other_spans(client, root):
    equal(client.parent_span_id, b"\xb1" * 8, "client's parent")
    equal((client.flags, root.flags), (0x100, 0x100), "flags without a remote parent")
    equal((client.trace_state, client.kind, client.status.code), ("", client.SPAN_KIND_CLIENT, 0), "client")
    equal((root.parent_span_id, len(root.attributes), root.name), (b"", 1, "GET"), "root")


def check_spans(request):
    found = {}
    for rs in request.resource_spans:
        assert rs.schema_url.startswith(SCHEMA)
        name = attrs(rs.resource.attributes)["service.name"]
        for ss in rs.scope_spans:
            assert ss.schema_url.startswith(SCHEMA) and ss.scope.version
            assert (name, ss.scope.name) not in found, "one group per resource and scope"
            found[name, ss.scope.name] = ss.spans
    equal(len(request.resource_spans), 2, "one resource per service")
    equal(set(found), {("orders", "sonde/http"), ("orders", "sonde/postgresql"), (f"web {BAD}", "sonde/http")},
          "groups")
    check_full_resource(attrs(resource_of(request.resource_spans, "orders")))
    check_server_span(found["orders", "sonde/http"][0])
    check_other_spans(found["orders", "sonde/postgresql"][0], found[f"web {BAD}", "sonde/http"][0])


def resource_of(groups, name):
    return next(g.resource.attributes for g in groups if attrs(g.resource.attributes)["service.name"] == name)


def ids_to_base64(node):
    """OTLP/JSON has ids in hex where proto3's JSON has bytes in base64."""
    if isinstance(node, list):
        for item in node:
            ids_to_base64(item)
    elif isinstance(node, dict):
        for key, item in node.items():
            if key in ("traceId", "spanId", "parentSpanId"):
                node[key] = base64.b64encode(bytes.fromhex(item)).decode()
            else:
                ids_to_base64(item)


def from_json(path, kind):
    text = open(path, encoding="utf-8").read()
    assert text.endswith("\n") and text.count("\n") == 1, "one line"
    tree = json.loads(text)
    ids_to_base64(tree)
    return json_format.ParseDict(tree, kind())


def from_pb(path, kind):
    message = kind()
    equal(message.ParseFromString(open(path, "rb").read()), os.path.getsize(path), "all bytes are read")
    unknown = [m for m in walk(message) if len(unknown_fields(m))]
    assert not unknown, f"unknown fields in {unknown}"
    return message


def unknown_fields(message):
    from google.protobuf import unknown_fields as module
    return module.UnknownFieldSet(message)


def walk(message):
    yield message
    for field, item in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for child in ([item] if not hasattr(item, "__len__") else item):
                yield from walk(child)


def canonical(node):
    """The order of a repeated message means nothing: sorted, two encodings can be compared."""
    if isinstance(node, dict):
        return {k: canonical(v) for k, v in node.items()}
    if isinstance(node, list) and node and isinstance(node[0], dict):
        return sorted((canonical(v) for v in node), key=lambda v: json.dumps(v, sort_keys=True))
    return node


def same(a, b, what):
    equal(canonical(json_format.MessageToDict(a)), canonical(json_format.MessageToDict(b)), what)


def points_of(request):
    """{(service, scope, metric): (Metric, [data points])}"""
    out = {}
    for rm in request.resource_metrics:
        assert rm.schema_url.startswith(SCHEMA)
        service = attrs(rm.resource.attributes)["service.name"]
        for sm in rm.scope_metrics:
            for metric in sm.metrics:
                key = service, sm.scope.name, metric.name
                assert key not in out, f"{key} came twice"
                out[key] = metric, list(getattr(metric, metric.WhichOneof("data")).data_points)
    return out


def check_exponential(metric, point, v):
    equal(metric.WhichOneof("data"), "exponential_histogram", "kind")
    equal((point.count, point.sum, point.min, point.max, point.zero_count), (1, v, v, v, 0), "figures")
    equal((point.scale, list(point.positive.bucket_counts)), (20, [1]), "buckets")
    base = 2 ** 2 ** -20
    low = base ** point.positive.offset
    assert low < v * (1 + 1e-9) and v <= low * base * (1 + 1e-9), (low, v)


def check_explicit(metric, point, v):
    equal(metric.WhichOneof("data"), "histogram", "kind")
    equal((point.count, point.sum, point.min, point.max), (1, v, v, v), "figures")
    bounds = list(point.explicit_bounds)
    equal(bounds, [.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10], "bounds")
    equal(list(point.bucket_counts), [int(i == 2) for i in range(15)], "counts")


def check_duration(found, kind, temporality):
    metric, points = found["orders", "sonde/http", "http.server.request.duration"]
    point = points[0]
    equal((metric.unit, len(points), point.time_unix_nano), ("s", 1, NOW), "duration")
    assert point.start_time_unix_nano > 0
    equal(getattr(metric, metric.WhichOneof("data")).aggregation_temporality, temporality, "temporality")
    equal(attrs(point.attributes), {"http.request.method": "GET", "http.route": ROUTE,
                                    "http.response.status_code": 500}, "attributes")
    (check_explicit if kind == "explicit" else check_exponential)(metric, point, 0.02)
    equal(len(point.exemplars), 1, "exemplars")
    e = point.exemplars[0]
    equal((e.trace_id, e.span_id, e.as_double, e.time_unix_nano),
          (b"\xa1" * 16, b"\xb1" * 8, 0.02, T0 + 10**9 + 20 * 10**6), "exemplar")


def check_rest(found, kind, temporality):
    metric, points = found["orders", "sonde/http", "http.server.request.body.size"]
    equal((metric.unit, points[0].count, points[0].sum), ("By", 1, 0), "empty body")
    if kind != "explicit":
        equal((points[0].zero_count, len(points[0].positive.bucket_counts)), (1, 0), "zero bucket")
    assert ("orders", "sonde/postgresql", "db.client.operation.duration") in found
    assert (f"web {BAD}", "sonde/http", "http.server.response.body.size") in found
    metric, points = found["sonde", "sonde", "sonde.memory"]
    equal((metric.gauge.data_points[0].as_double, metric.unit), (12345, "By"), "gauge")
    metric, points = found["sonde", "sonde", "sonde.drops"]
    equal((metric.sum.is_monotonic, metric.sum.aggregation_temporality), (True, temporality), "counter")
    equal((points[0].as_double, attrs(points[0].attributes)), (7, {"cause": "head_cut"}), "counter")
    metric, points = found["orders", "sonde", "sonde.turn.duration"]
    by_kind = {attrs(p.attributes)["sonde.turn"]: p for p in points}
    equal(set(by_kind), {"first_byte", "last_byte"}, "turns")
    equal((by_kind["first_byte"].count, by_kind["first_byte"].sum), (3, 0.003), "turns")
    assert not by_kind["first_byte"].HasField("min"), "the extremes of turns are not known"
    equal(attrs(points[0].attributes)["sonde.role"], "server", "role")


def check_metrics(directory, stem, temporality):
    paths = glob.glob(f"{directory}/{stem}.*.pb")
    request = ExportMetricsServiceRequest()
    for path in paths:
        part = from_pb(path, ExportMetricsServiceRequest)
        equal(sum(len(p) for _, p in points_of(part).values()), int(path.split(".")[-2]), "points of a request")
        request.MergeFrom(part)
    if stem == "split":
        equal(len(paths), 16, "one request per point")
        return
    equal(len(paths), 1, "requests")
    same(request, from_json(f"{directory}/{stem}.json", ExportMetricsServiceRequest), f"{stem}: JSON and protobuf")
    found = points_of(request)
    check_duration(found, stem, temporality)
    check_rest(found, stem, temporality)


def samples_of(families):
    return {(s.name, s.labels.get("job"), s.labels.get("le"), s.labels.get("sonde_turn")): s
            for f in families for s in f.samples}


def check_samples(s):
    name = "http_server_request_duration_seconds"
    labels = s[name + "_count", "shop/orders", None, None].labels
    equal(labels["instance"], "orders-1", "instance")
    equal(labels["http_route"], ROUTE, "escapes")
    equal(labels["otel_scope_name"], "sonde/http", "scope")
    equal(s[name + "_sum", "shop/orders", None, None].value, 0.02, "sum")
    equal([s[name + "_bucket", "shop/orders", le, None].value for le in ("0.01", "0.025", "+Inf")], [0, 1, 1],
          "buckets are cumulative")
    equal(s["sonde_drops_total", "sonde", None, None].value, 7, "counter")
    equal(s["sonde_memory_bytes", "sonde", None, None].value, 12345, "gauge")
    equal(s["sonde_coverage_ratio", "shop/orders", None, None].value, 0.5, "ratio")
    equal(s["sonde_turn_request_size_bytes_total", "shop/orders", None, None].value, 400, "bytes")
    info = s["target_info", "shop/orders", None, None].labels
    equal((info["a_b"], info["process_pid"]), ("1;2", "4242"), "target_info")
    assert "service_name" not in info


def check_prometheus(directory, stem):
    text = open(f"{directory}/{stem}.prometheus", encoding="utf-8", newline="\n").read()
    families = list(parse_prometheus(text))
    check_samples(samples_of(families))
    equal({f.name: f.type for f in families}["sonde_drops"], "counter", "type")
    equal({f.name: f.documentation for f in families}["sonde_drops"], "Drops\nby \\cause.", "help")
    text = open(f"{directory}/{stem}.openmetrics", encoding="utf-8", newline="\n").read()
    families = list(parse_openmetrics(text))
    samples = samples_of(families)
    check_samples(samples)
    equal({f.name: f.unit for f in families}["http_server_request_duration_seconds"], "seconds", "unit")
    exemplar = samples["http_server_request_duration_seconds_bucket", "shop/orders", "0.025", None].exemplar
    equal((exemplar.labels, exemplar.value), ({"trace_id": "a1" * 16, "span_id": "b1" * 8}, 0.02), "exemplar")


def main():
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.argv[1], directory], check=True)
        spans = from_pb(f"{directory}/spans.pb", ExportTraceServiceRequest)
        check_spans(spans)
        same(spans, from_json(f"{directory}/spans.json", ExportTraceServiceRequest), "spans: JSON and protobuf")
        for stem, temporality in (("exponential", 2), ("explicit", 2), ("delta", 1), ("split", 2)):
            check_metrics(directory, stem, temporality)
            check_prometheus(directory, stem)
    print("check_otlp: all fields as expected")


main()
