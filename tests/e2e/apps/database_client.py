# SPDX-License-Identifier: Apache-2.0
"""A client of PostgreSQL or Redis that does exactly what it is told: the truth of the tests is what it was told.

In:  JSON on stdin. {"postgresql": DSN, "steps": [...]}, a step is
       {"sql": text, "params": [...], "prepare": bool}   simple query without params, else the extended protocol
       {"copy_in": text, "rows": n} or {"copy_out": text}
     {"redis": [host, port] | "path", "steps": [...]}, a step is
       {"send": [[word, ...], ...]}                      commands in one send; then their replies are read
       {"replies": n}                                    reads n more, such as pushes
Out: JSON on stdout, one entry per step: {"rows": n}, {"error": SQLSTATE} or {"replies": [...]}.
"""
import json
import socket
import sys

import psycopg


def query(connection, step):
    try:
        cursor = connection.execute(step["sql"], step.get("params"), prepare=step.get("prepare"))
        return {"rows": len(cursor.fetchall()) if cursor.description else cursor.rowcount}
    except psycopg.Error as e:
        return {"error": e.sqlstate}


def copy(connection, step):
    with connection.cursor() as cursor:
        if "copy_out" in step:
            with cursor.copy(step["copy_out"]) as c:
                return {"rows": sum(1 for _ in c.rows())}
        with cursor.copy(step["copy_in"]) as c:
            for i in range(step["rows"]):
                c.write_row((f"secret-copied-{i}", i))
        return {"rows": cursor.rowcount}


def postgresql(dsn, steps):
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [query(connection, s) if "sql" in s else copy(connection, s) for s in steps]


def command(words):
    """RESP: an array of bulk strings."""
    parts = [str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def reply(stream):
    """One RESP2 or RESP3 reply; an error is {"error": its first word}."""
    line = stream.readline()
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"-":
        return {"error": rest.split()[0]}
    if kind in b"$=" and rest != "-1":
        return stream.read(int(rest) + 2)[:-2].decode()
    if kind in b"*~>" and rest != "-1":
        return [reply(stream) for _ in range(int(rest))]
    if kind == b"%":
        return [reply(stream) for _ in range(2 * int(rest))]
    return None if rest == "-1" or kind == b"_" else rest


def redis(to, steps):
    s = socket.socket(socket.AF_UNIX) if isinstance(to, str) else socket.create_connection(to)
    if isinstance(to, str):
        s.connect(to)
    stream, out = s.makefile("rb"), []
    for step in steps:
        if "send" in step:
            s.sendall(b"".join(map(command, step["send"])))
        out.append({"replies": [reply(stream) for _ in range(step.get("replies", len(step.get("send", []))))]})
    return out


plan = json.load(sys.stdin)
answers = postgresql(plan["postgresql"], plan["steps"]) if "postgresql" in plan else redis(plan["redis"], plan["steps"])
json.dump(answers, sys.stdout)
