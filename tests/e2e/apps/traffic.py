# SPDX-License-Identifier: Apache-2.0
"""Bounded traffic by clients that keep their connection, each with one request under way at a time.

In:  JSON on stdin: {"to": [host, port], "paths": [...], "clients": n, "pause": seconds between a client's requests,
     "seconds": limit (the paths are repeated until then; without it each is asked for once), "headers": {...}}.
     "{i}" in a path or header becomes the request's number, "{i:032x}" as Python formats.
Out: JSON on stdout: [{"path", "status", "seconds"}]; the status is null where the connection failed.
"""
import http.client
import itertools
import json
import sys
import threading
import time


def ask(connection, path, headers):
    since = time.perf_counter()
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except (OSError, http.client.HTTPException):
        connection.close()
        status = None
    return {"path": path, "status": status, "seconds": time.perf_counter() - since}


def client(plan, numbers, out):
    connection, paths = http.client.HTTPConnection(*plan["to"], timeout=30), plan["paths"]
    until = time.monotonic() + plan["seconds"] if "seconds" in plan else None
    for i in numbers:
        if time.monotonic() > until if until else i >= len(paths):
            break
        headers = {k: v.format(i=i) for k, v in plan.get("headers", {}).items()}
        out.append(ask(connection, paths[i % len(paths)].format(i=i), headers))
        time.sleep(plan.get("pause", 0))
    connection.close()


def main():
    plan, out, counter, lock = json.load(sys.stdin), [], itertools.count(), threading.Lock()

    def numbers():
        while True:
            with lock:
                i = next(counter)
            yield i
    threads = [threading.Thread(target=client, args=(plan, numbers(), out)) for _ in range(plan.get("clients", 1))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    json.dump(out, sys.stdout)


main()
