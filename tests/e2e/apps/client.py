# SPDX-License-Identifier: Apache-2.0
"""A client that does exactly what it is told, byte for byte: the truth of tests that need more than curl can do.

In:  JSON on stdin, a list of connections: {"to": [host, port] | "path", "steps": [...]}. A step is one of
     {"send": "text"}            all of it in one send
     {"sendv": ["a", "b"]}       one writev
     {"drip": "text", "by": n}   n bytes at a time, each in a send of its own
     {"read": ["GET", ...]}      one response per method, in order
     {"peek": true}              MSG_PEEK of what is there, before the next read
     {"wait": seconds}, {"reset": true}, {"close_write": true}
     {"file": "path"}            creates the file, then waits until "path.go" exists (to let others act in between)
Out: JSON on stdout: for each connection its responses as {"status", "body", "seconds"} or {"error"}.
"""
import http.client
import json
import os
import socket
import struct
import sys
import time


class Kept:
    """What http.client takes for a socket: one buffered reader for all responses of the connection."""

    def __init__(self, sock):
        self.reader = sock.makefile("rb")
        self.close = lambda: None

    def makefile(self, *_):
        return self

    def __getattr__(self, name):
        return getattr(self.reader, name)

    def flush(self):
        pass


def connect(to):
    if isinstance(to, str):
        s = socket.socket(socket.AF_UNIX)
        s.connect(to)
        return s
    s = socket.create_connection(to, timeout=60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read(kept, methods, out, since):
    for method in methods:
        r = http.client.HTTPResponse(kept, method=method)
        r.begin()
        while r.status in (100, 103):
            r = http.client.HTTPResponse(kept, method=method)
            r.begin()
        body = r.read()
        out.append({"status": r.status, "body": len(body), "seconds": time.monotonic() - since})


def run(connection):
    out, s = [], connect(connection["to"])
    kept, since = Kept(s), time.monotonic()
    try:
        for step in connection["steps"]:
            if "send" in step:
                since = time.monotonic()
                s.sendall(step["send"].encode("latin-1"))
            elif "sendv" in step:
                since = time.monotonic()
                s.sendmsg([part.encode("latin-1") for part in step["sendv"]])
            elif "drip" in step:
                since, data = time.monotonic(), step["drip"].encode("latin-1")
                for i in range(0, len(data), step["by"]):
                    s.sendall(data[i:i + step["by"]])
            elif "read" in step:
                read(kept, step["read"], out, since)
            elif "peek" in step:
                s.recv(65536, socket.MSG_PEEK)
            elif "wait" in step:
                time.sleep(step["wait"])
            elif "reset" in step:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif "close_write" in step:
                s.shutdown(socket.SHUT_WR)
            elif "file" in step:
                open(step["file"], "w").close()
                while not os.path.exists(step["file"] + ".go"):
                    time.sleep(0.01)
    except (OSError, http.client.HTTPException) as e:
        out.append({"error": repr(e)})
    kept.reader.close()
    s.close()
    return out


json.dump([run(c) for c in json.load(sys.stdin)], sys.stdout)
