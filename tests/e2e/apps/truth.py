# SPDX-License-Identifier: Apache-2.0
"""The truth of the Python services: one JSON line per request in the file that $REQUEST_LOG names.

A line is {"method", "path", "status", "in", "out", "seconds"}: sizes are those of the bodies; seconds run from the
application's first sight of the request until the server had written the answer.
"""
import json
import os
import time

_LOG = os.open(os.environ["REQUEST_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if "REQUEST_LOG" in os.environ else None


def write(method, path, status, received, sent, since):
    """Appends one line; one write(2), so that processes and threads never mix theirs."""
    if _LOG is not None:
        line = {"method": method, "path": path, "status": status, "in": received, "out": sent,
                "seconds": time.perf_counter() - since}
        os.write(_LOG, (json.dumps(line) + "\n").encode())


class Counted:
    """A WSGI response that logs when the server is done with it, and what it was by then."""

    def __init__(self, environ, since, status, chunks):
        self.environ, self.since, self.status, self.chunks, self.sent = environ, since, status, chunks, 0

    def __iter__(self):
        for chunk in self.chunks:
            self.sent += len(chunk)
            yield chunk

    def close(self):
        if hasattr(self.chunks, "close"):
            self.chunks.close()
        e = self.environ
        write(e["REQUEST_METHOD"], e["PATH_INFO"], self.status[0], int(e.get("CONTENT_LENGTH") or 0), self.sent, self.since)


def wsgi(app):
    """Wraps a WSGI application so that it logs."""
    def logging_app(environ, start_response):
        since, status = time.perf_counter(), []

        def start(line, headers, *error):
            status.append(int(line.split()[0]))
            return start_response(line, headers, *error)
        return Counted(environ, since, status, app(environ, start))
    return logging_app
