# SPDX-License-Identifier: Apache-2.0
"""The truth of the Python services: one JSON line per request in the file that $REQUEST_LOG names.

A line is {"method", "path", "status", "in", "out", "handed", "seconds"}: sizes are those of the bodies; times, in seconds,
run from the application's first sight of the request until it handed over the answer's last bytes and until the server
had written them. On a busy machine the two may lie apart; the last send is between them.
"""
import json
import os
import time

_LOG = os.open(os.environ["REQUEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if "REQUEST_LOG" in os.environ else None


def write(method, path, status, received, sent, since, handed):
    """Appends one line; one write(2), so that processes and threads never mix theirs. Times are perf_counter()'s."""
    if _LOG is not None:
        line = {"method": method, "path": path, "status": status, "in": received, "out": sent,
                "handed": handed - since, "seconds": time.perf_counter() - since}
        os.write(_LOG, (json.dumps(line) + "\n").encode())


class Counted:
    """A WSGI response that logs when the server is done with it, and what it was by then."""

    def __init__(self, environ, since, status, chunks):
        self.environ, self.since, self.status, self.chunks = environ, since, status, chunks
        self.sent, self.handed = 0, time.perf_counter()

    def __iter__(self):
        for chunk in self.chunks:
            self.sent, self.handed = self.sent + len(chunk), time.perf_counter()
            yield chunk

    def close(self):
        if hasattr(self.chunks, "close"):
            self.chunks.close()
        e = self.environ
        write(e["REQUEST_METHOD"], e["PATH_INFO"], self.status[0], int(e.get("CONTENT_LENGTH") or 0), self.sent, self.since,
              self.handed)


def wsgi(app):
    """Wraps a WSGI application so that it logs."""
    def logging_app(environ, start_response):
        since, status = time.perf_counter(), []

        def start(line, headers, *error):
            status.append(int(line.split()[0]))
            return start_response(line, headers, *error)
        return Counted(environ, since, status, app(environ, start))
    return logging_app
