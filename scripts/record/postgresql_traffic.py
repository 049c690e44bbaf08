#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records what psycopg and psql say to a real PostgreSQL: tests/fixtures/postgresql/.

In:  PostgreSQL's programs of the machine, the Python package psycopg. Out: one fixture per scenario."""
import glob
import pathlib
import subprocess
import sys

import psycopg

from service import Server
from tap import Tap

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "postgresql"
BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]


def connect(port, **more):
    return psycopg.connect(host="127.0.0.1", port=port, user="joe", password="secret", dbname="shop", sslmode="disable",
                           **more)


def extended(port):
    with connect(port) as c:
        c.execute("SELECT id, name FROM users WHERE id = %s AND name <> %s", (1, "secret")).fetchall()
        c.execute("INSERT INTO orders (user_id, note) VALUES (%s, %s) RETURNING id", (1, "secret"))
        c.execute("UPDATE orders SET note = %s", ("secret",))
        c.commit()


def prepared(port):
    with connect(port, autocommit=True) as c:
        for i in range(4):
            c.execute("SELECT name FROM users WHERE id = %s", (i,), prepare=True).fetchall()


def pipeline(port):
    with connect(port, autocommit=True) as c, c.pipeline():
        for i in range(5):
            c.execute("SELECT name FROM users WHERE id = %s", (i,))
        c.cursor().executemany("INSERT INTO orders (user_id) VALUES (%s)", [(1,), (2,), (3,)])


def errors(port):
    with connect(port, autocommit=True) as c:
        for query, args in (("SELECT * FROM missing WHERE a = %s", ("secret",)), ("SELECT 1/%s", (0,)),
                            ("INSERT INTO users (id, name) VALUES (1, 'secret')", None)):
            try:
                c.execute(query, args)
            except psycopg.Error:
                pass
        c.execute("SELECT 1")


def copy(port):
    with connect(port, autocommit=True) as c:
        with c.cursor().copy("COPY orders (note) FROM STDIN") as out:
            for i in range(500):
                out.write_row((f"secret {i}" * 5,))
        with c.cursor().copy("COPY orders TO STDOUT") as rows:
            for _ in rows:
                pass
        c.execute("SELECT count(*) FROM orders")


def big(port):
    with connect(port, autocommit=True) as c:
        c.execute("SELECT repeat('x', 1000) FROM generate_series(1, 300)").fetchall()
        c.execute("SELECT length(%s)", ("secret" * 20000,))
        c.execute("SELECT 1")


def psql(port):
    script = r"""
SELECT 1; SELECT 'secret' AS a, 2 AS b;
BEGIN\; SELECT name FROM users WHERE id IN (1, 2, 3)\; COMMIT;
DROP TABLE IF EXISTS nothing;
SELECT name FROM users WHERE name = 'secret';
LISTEN channel;
NOTIFY channel, 'secret';
SELECT 3;
"""
    subprocess.run([f"{BIN}/psql", "-q", "-X", f"host=127.0.0.1 port={port} user=joe dbname=shop password=secret"],
                   input=script.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def refused(port):
    for user, password in (("joe", "wrong secret"), ("joe", "secret")):
        try:
            psycopg.connect(host="127.0.0.1", port=port, user=user, password=password, dbname="missing", sslmode="prefer")
        except psycopg.Error:
            pass


SCENARIOS = (extended, prepared, pipeline, errors, copy, big, psql, refused)
SETUP = ("CREATE ROLE joe LOGIN PASSWORD 'secret'", "CREATE DATABASE shop OWNER joe")
TABLES = ("CREATE TABLE users (id int PRIMARY KEY, name text)", "INSERT INTO users VALUES (1, 'ann'), (2, 'bob')",
          "CREATE TABLE orders (id serial, user_id int, note text)")


def command(directory, port):
    data = f"{directory}/data"
    subprocess.run([f"{BIN}/initdb", "-D", data, "-U", "postgres", "--auth-host=scram-sha-256", "--auth-local=trust", "-E",
                    "UTF8", "--no-sync"], check=True, stdout=subprocess.DEVNULL, user="nobody", cwd=directory)
    return [f"{BIN}/postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", directory, "-c", "fsync=off"]


def is_ready(directory, port):
    return subprocess.run([f"{BIN}/pg_isready", "-q", "-h", directory, "-p", str(port)]).returncode == 0


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    version = subprocess.check_output([f"{BIN}/postgres", "--version"], text=True).split()[2]
    with Server(command, user="nobody", ready=is_ready) as server:
        with psycopg.connect(host=server.directory.name, port=server.port, user="postgres", autocommit=True) as c:
            for statement in SETUP:
                c.execute(statement)
        with connect(server.port) as c:
            for statement in TABLES:
                c.execute(statement)
        for scenario in SCENARIOS:
            comment = (f"PostgreSQL {version}, psycopg {psycopg.__version__}: "
                       f"scripts/record/postgresql_traffic.py {scenario.__name__}")
            with Tap(("127.0.0.1", server.port), FIXTURES / f"{scenario.__name__}.txt", keep=1024, comment=comment) as tap:
                scenario(tap.port)


if __name__ == "__main__":
    sys.exit(main())
