# SPDX-License-Identifier: Apache-2.0
"""A service that traces itself, as far as its neighbours can tell: traced.py PORT OTLP-URL. It answers every GET and then
exports an (empty) batch of spans by OTLP/HTTP. Environment: REQUEST_LOG (truth.py)."""
import http.server
import sys
import time
import urllib.request

import truth


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        since = time.perf_counter()
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        handed = time.perf_counter()
        self.wfile.write(b"hello\n")
        truth.write("GET", self.path, 200, 0, 6, since, handed)
        export = urllib.request.Request(sys.argv[2], data=b"", headers={"Content-Type": "application/x-protobuf"}, method="POST")
        try:
            urllib.request.urlopen(export, timeout=10).close()
        except OSError:
            pass    # whether it is taken does not matter here

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
