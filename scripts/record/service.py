# SPDX-License-Identifier: Apache-2.0
"""A real server for the time of a recording: its own directory, a free port on loopback, gone at exit.

In:  functions of (directory, port): the command, and whether it is ready (without it: its port accepts).
Owns: the process and the directory."""
import os
import socket
import subprocess
import tempfile
import time


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def accepts(_directory, port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Server:
    def __init__(self, command, user=None, ready=None):
        self.command, self.user, self.ready = command, user, ready or accepts
        self.port = free_port()

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        os.chmod(self.directory.name, 0o777)
        self.log = open(os.path.join(self.directory.name, "log"), "w")
        self.process = subprocess.Popen(self.command(self.directory.name, self.port), user=self.user, stdout=self.log,
                                        stderr=self.log, cwd=self.directory.name)
        self._wait()
        return self

    def _wait(self):
        deadline = time.monotonic() + 30
        while not self.ready(self.directory.name, self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.flush()
                with open(self.log.name) as f:
                    raise RuntimeError(f.read())
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()
        self.directory.cleanup()
