#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A recording TCP proxy: what a real client and a real server say to each other becomes a fixture.

In:  connections to --listen, forwarded to --to. Out: one text file, written when the tap stops.

    # a comment
    connection            a new connection; its lines follow, in the order the tap saw the bytes
    > GET / HTTP/1.1\\r\\n   one chunk, client to server: one recv() of the tap
    < HTTP/1.1 200 OK\\r\\n  one chunk, server to client
    <+ 61440              that many bytes more in that direction whose content was not kept (--keep)
    >.                    that side sent FIN
    <!                    that side reset the connection

Bytes are printable ASCII as it is, \\\\ \\r \\n \\t \\xHH for the rest. tests/unit/fixture.h reads it.

As a program: prints its port, then runs until SIGTERM, SIGINT or end of standard input.
As a module: `with Tap(("127.0.0.1", 8080), "x.txt") as tap: client(tap.port)`."""
import argparse
import signal
import socket
import sys
import threading

ESCAPES = {0x5C: "\\\\", 0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t"}


def escape(chunk):
    return "".join(ESCAPES.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}") for b in chunk)


def address(text):
    """HOST:PORT, or a path for a unix socket."""
    if "/" in text:
        return text
    host, _, port = text.rpartition(":")
    return (host, int(port))


class Tap:
    def __init__(self, to, out, listen=("127.0.0.1", 0), keep=65536, comment=""):
        self.to, self.out, self.keep, self.comment = to, out, keep, comment
        self.connections = []
        self.threads = []
        self.listener = socket.create_server(listen)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()
        for thread in self.threads:
            thread.join(5)
        self.write()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX if isinstance(self.to, str) else socket.AF_INET)
            server.connect(self.to)
            lines = []
            self.connections.append(lines)
            for arrow, source, sink in ((">", client, server), ("<", server, client)):
                thread = threading.Thread(target=self._pump, args=(arrow, source, sink, lines), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _pump(self, arrow, source, sink, lines):
        try:
            while chunk := source.recv(65536):
                lines.append(f"{arrow} {escape(chunk[:self.keep])}")
                if len(chunk) > self.keep:
                    lines.append(f"{arrow}+ {len(chunk) - self.keep}")
                sink.sendall(chunk)
            lines.append(f"{arrow}.")
            sink.shutdown(socket.SHUT_WR)
        except ConnectionResetError:
            lines.append(f"{arrow}!")
            sink.close()
        except OSError:
            pass  # the other direction has closed this socket

    def write(self):
        with open(self.out, "w") as f:
            if self.comment:
                f.write(f"# {self.comment}\n")
            for lines in self.connections:
                f.write("\n".join(["connection", *lines]) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--listen", type=address, default=("127.0.0.1", 0), help="ADDR:PORT (default 127.0.0.1:0)")
    p.add_argument("--to", type=address, required=True, help="ADDR:PORT or the path of a unix socket")
    p.add_argument("--out", required=True, help="the fixture file")
    p.add_argument("--keep", type=int, default=65536, help="bytes of a chunk to keep")
    p.add_argument("--comment", default="", help="first line: which programs, which versions")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Tap(a.to, a.out, a.listen, a.keep, a.comment) as tap:
        print(tap.port, flush=True)
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
