#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what redis-py and redis-cli say to a real redis-server: tests/fixtures/redis/.

In:  redis-server and redis-cli of the machine, the Python package redis. Out: one fixture per scenario."""
import pathlib
import subprocess
import sys

import redis

from service import Server
from tap import Tap

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "redis"


def resp2(port):
    r = redis.Redis(port=port, protocol=2, db=3)
    r.set("user:1", "secret value", ex=100)
    r.get("user:1")
    r.hset("hash", mapping={"field": "secret"})
    r.mget("user:1", "missing")
    try:
        r.lpush("user:1", "x")
    except redis.ResponseError:
        pass
    pipe = r.pipeline(transaction=True)
    pipe.incr("count").expire("count", 10)
    pipe.execute()
    r.eval("return redis.call('get', KEYS[1])", 1, "user:1", "secret")
    r.config_get("maxmemory")
    r.close()


def resp3(port):
    r = redis.Redis(port=port, protocol=3)
    r.hset("hash3", mapping={"a": 1, "b": 2.5})
    r.hgetall("hash3")
    r.sadd("set3", "x", "y")
    r.smembers("set3")
    r.zadd("z3", {"one": 1.5})
    r.zscore("z3", "one")
    r.xadd("stream", {"k": "secret"})
    r.xread({"stream": "0"})
    r.close()


def pipeline(port):
    r = redis.Redis(port=port, protocol=2)
    pipe = r.pipeline(transaction=False)
    for i in range(20):
        pipe.set(f"key:{i}", "v" * i)
        pipe.get(f"key:{i}")
    pipe.execute()
    r.close()


def pubsub(port):
    for protocol in (2, 3):
        r = redis.Redis(port=port, protocol=protocol)
        p = r.pubsub()
        p.subscribe("news", "sport")
        redis.Redis(port=SERVER_PORT).publish("news", "secret")
        seen = []
        while "message" not in seen:
            message = p.get_message(timeout=5)
            seen.append(message["type"] if message else None)
        p.unsubscribe("news")
        p.close()
        r.close()


def big(port):
    r = redis.Redis(port=port, protocol=2)
    r.set("big", "x" * 200000)
    r.get("big")
    r.get("small")
    r.close()


def inline(port):
    commands = b"PING\r\nSET inline 'a secret'\r\nGET inline\r\nNOPE\r\nQUIT\r\n"
    import socket
    with socket.create_connection(("127.0.0.1", port)) as s:
        for line in commands.splitlines(keepends=True):
            s.sendall(line)
            s.recv(4096)


def cli(port):
    subprocess.run(["redis-cli", "-p", str(port)], input=b"AUTH secret\nSET a 1\nGET a\nOBJECT ENCODING a\n", check=True,
                   stdout=subprocess.DEVNULL)


def main():
    global SERVER_PORT
    version = subprocess.check_output(["redis-server", "--version"], text=True).split()[2]
    FIXTURES.mkdir(parents=True, exist_ok=True)
    with Server(lambda d, port: ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", d]) as server:
        SERVER_PORT = server.port
        for scenario in (resp2, resp3, pipeline, pubsub, big, inline, cli):
            comment = f"redis-server {version}, redis-py {redis.__version__}: scripts/record/redis_traffic.py {scenario.__name__}"
            with Tap(("127.0.0.1", server.port), FIXTURES / f"{scenario.__name__}.txt", keep=2048, comment=comment) as tap:
                scenario(tap.port)


if __name__ == "__main__":
    sys.exit(main())
