# SPDX-License-Identifier: Apache-2.0
"""A shop in Flask, run by gunicorn: it answers by itself, from PostgreSQL, from Redis, from the price service (HTTP),
and, for a checkout, from all three. Each thread keeps its own connections.

Environment: PRICE_URL, PG_DSN, REDIS_URL (each only where its routes are asked for), REQUEST_LOG (truth.py).
"""
import os
import threading
import time

import flask
import psycopg
import redis
import requests

import truth

app = flask.Flask(__name__)
app.wsgi_app = truth.wsgi(app.wsgi_app)
kept = threading.local()


def prices():
    if not hasattr(kept, "prices"):
        kept.prices = requests.Session()
    return kept.prices


def database():
    if not hasattr(kept, "database"):
        kept.database = psycopg.connect(os.environ["PG_DSN"], autocommit=True)
    return kept.database


def cache():
    if not hasattr(kept, "cache"):
        # Without what the client would ask for that Redis before 7.2 answers with an error (CLIENT SETINFO, ...).
        kept.cache = redis.Redis.from_url(os.environ["REDIS_URL"], lib_name=None, lib_version=None, protocol=2)
    return kept.cache


def price_of(item):
    answer = prices().get(f"{os.environ['PRICE_URL']}/price/{item}", timeout=10)
    answer.raise_for_status()
    return answer.json()["price"]


@app.get("/")
def home():
    return "hello\n"


@app.get("/users/<user>")
def user(user):
    return {"user": user}


@app.get("/orders")
def orders():
    rows = database().execute("SELECT id, total FROM orders WHERE customer = 'alice' ORDER BY id LIMIT 10").fetchall()
    return {"orders": [[number, float(total)] for number, total in rows]}


@app.get("/cache")
def cached():
    visits = cache().incr("visits")
    return {"visits": visits}


@app.get("/price")
def price():
    return {"price": price_of("shirt")}


@app.get("/checkout")
def checkout():
    cost = price_of("shirt")
    database().execute("INSERT INTO orders (customer, total) VALUES (%s, %s)", ("alice", cost))
    cache().delete("cart:alice")
    return {"paid": cost}


@app.get("/chain/<number>")
def chain(number):
    """Three calls that carry the request's number where sonde shows it: a path, a column's name, a key."""
    price_of(number)
    database().execute(f"SELECT count(*) AS n{int(number)} FROM orders")
    cache().get(f"chain:{number}")
    return {"number": number}


@app.get("/slow")
def slow():
    time.sleep(float(flask.request.args["ms"]) / 1000)
    return "late\n"


@app.route("/status/<int:code>", methods=["GET", "POST"])
def status(code):
    return ("", 204) if code == 204 else (f"{code}\n", code)


@app.post("/echo")
def echo():
    return {"length": len(flask.request.get_data())}


@app.get("/chunked")
def chunked():
    return flask.Response((f"part {i}\n" * 100 for i in range(10)), mimetype="text/plain")


@app.get("/big")
def big():
    return flask.Response(b"\0" * int(flask.request.args["n"]), mimetype="application/octet-stream")
