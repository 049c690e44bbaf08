# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL and Redis, real ones: every statement exactly once at both ends, with its error; no literal ever leaves.
The truth is what the client was told to send."""
import collections
import json

import pytest

from harness import APPS, PYTHON, wait_for
import services

PORT = 5432
TABLE = "CREATE TABLE people (name text, age int)"
CLIENT = "database_client"


def run(host, plan):
    return json.loads(host.run(PYTHON, APPS / "database_client.py", input=json.dumps(plan).encode()))


def seen(receiver, kind):
    """(operation, error) of all calls at that end."""
    return collections.Counter((s.attrs.get("db.operation.name"), s.attrs.get("error.type")) for s in receiver.spans(kind=kind))


def expect(receiver, wanted):
    """Exactly those calls as client and as server spans, linked, and in the client's metric."""
    for kind in ("client", "server"):
        wait_for(lambda: seen(receiver, kind).total() >= wanted.total(), 15,
                 lambda: f"{wanted} as {kind} (there is {seen(receiver, kind)})")
        assert seen(receiver, kind) == wanted
    clients = {s.span_id: s for s in receiver.spans(kind="client")}
    for s in receiver.spans(kind="server"):
        assert s.attrs.get("db.query.text") == clients[s.parent_id].attrs.get("db.query.text")

    def counted():
        out = collections.Counter()
        for a, p in receiver.points("db.client.operation.duration"):
            out[a.get("db.operation.name"), a.get("error.type")] += p.count
        return out
    wait_for(lambda: counted() == wanted, 10, lambda: f"db.client.operation.duration of {wanted} (it is {counted()})")


def no_secrets(receiver):
    exported = str(receiver.spans()) + str([a for m in ("db.client.operation.duration",) for a, _ in receiver.points(m)])
    assert "secret" not in exported


def addresses(host):
    common = f"port={PORT} user=postgres dbname=postgres sslmode=disable gssencmode=disable"
    return {"ipv4": f"host=127.0.0.1 {common}", "ipv6": f"host=::1 {common}", "unix": f"host={host.directory}/pg {common}"}


@pytest.mark.parametrize("where", ["ipv4", "ipv6", "unix"])
def test_postgresql_statements(host, sonde, receiver, tier, where):
    services.postgres(host, PORT, [TABLE])
    sonde(f"cgroup=/{host.name}", tier=tier).watching("postgres")
    steps = [{"sql": "SELECT name FROM people WHERE name = 'secret-literal' AND age > 424242"},
             {"sql": "INSERT INTO people VALUES (%s, %s)", "params": ["secret-param", 7]},
             {"sql": "SELECT age FROM people WHERE name = %s", "params": ["secret-param"], "prepare": True},
             {"sql": "SELECT 'secret-unknown' FROM missing"},
             {"sql": "UPDATE people SET age = %s / 0", "params": [5]},
             {"copy_in": "COPY people (name, age) FROM STDIN", "rows": 1000},
             {"copy_out": "COPY people TO STDOUT"},
             {"sql": "DELETE FROM people WHERE name LIKE 'secret-copied-%%'", "params": []}] * 5
    answers = run(host, {"postgresql": addresses(host)[where], "steps": steps})
    assert [a.get("error") for a in answers] == [None, None, None, "42P01", "22012", None, None, None] * 5
    expect(receiver, collections.Counter({("SELECT", None): 10, ("INSERT", None): 5, ("SELECT", "42P01"): 5,
                                          ("UPDATE", "22012"): 5, ("COPY", None): 10, ("DELETE", None): 5, ("PREPARE", None): 1}))
    no_secrets(receiver)
    texts = {s.attrs["db.query.text"] for s in receiver.spans(service=CLIENT)}
    assert "SELECT name FROM people WHERE name = ? AND age > ?" in texts
    for s in receiver.spans(service=CLIENT):
        assert s.attrs["db.system.name"] == "postgresql" and s.attrs["db.namespace"] == "postgres"
        assert s.attrs.get("db.response.status_code") == s.attrs.get("error.type")
        assert s.attrs.get("network.transport") == ("unix" if where == "unix" else None)


def start_redis(host, sonde, tier):
    services.redis(host, PORT)
    agent = sonde(f"cgroup=/{host.name}", tier=tier)
    agent.watching("redis-server")
    return {"ipv4": ["127.0.0.1", PORT], "ipv6": ["::1", PORT], "unix": str(host.directory / "redis" / "redis.sock")}


@pytest.mark.parametrize("where", ["ipv4", "unix"])
@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_commands(host, sonde, receiver, tier, protocol, where):
    to = start_redis(host, sonde, tier)[where]
    steps = [{"send": [["HELLO", protocol]]}] + [
        {"send": [["SET", "user:1", "secret-value"]]}, {"send": [["GET", "user:1"]]},
        {"send": [["HSET", "h", "field", "secret-field-value"], ["HGETALL", "h"], ["LPUSH", "user:1", "secret-item"],
                  *[["INCR", "counter"]] * 7]},
        {"send": [["GET", "none"]]}] * 10
    answers = run(host, {"redis": to, "steps": steps})
    assert answers[3]["replies"][2] == {"error": "WRONGTYPE"} and answers[3]["replies"][-1] == "7"
    expect(receiver, collections.Counter({("HELLO", None): 1, ("SET", None): 10, ("GET", None): 20, ("HSET", None): 10,
                                          ("HGETALL", None): 10, ("LPUSH", "WRONGTYPE"): 10, ("INCR", None): 70}))
    no_secrets(receiver)
    assert {s.attrs["db.query.text"] for s in receiver.spans(name="SET")} == {"SET user:1 ?"}


def test_redis_pushes_are_no_answers(host, sonde, receiver, tier):
    """RESP3: the message that a PUBLISH brings to its own connection comes before its answer."""
    to = start_redis(host, sonde, tier)["ipv4"]
    steps = [{"send": [["HELLO", 3]]}, {"send": [["SUBSCRIBE", "news"]]},
             *[{"send": [["PUBLISH", "news", "secret-message"]], "replies": 2}, {"send": [["PING"]]}] * 20]
    answers = run(host, {"redis": to, "steps": steps})
    assert answers[2]["replies"] == [["message", "news", "secret-message"], "1"] and answers[3]["replies"] == ["PONG"]
    expect(receiver, collections.Counter({("HELLO", None): 1, ("SUBSCRIBE", None): 1, ("PUBLISH", None): 20,
                                          ("PING", None): 20}))
    no_secrets(receiver)
