#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An OTLP receiver that misbehaves on request, over HTTP/1.1 and gRPC; standard library only.

    fake_otlp.py [--http PORT] [--grpc PORT] [--unix PATH] [--out FILE] [--tls CERT KEY [CLIENT-CA]] FAULT...

Each request consumes the next FAULT, the last one stays for ever. Port 0 chooses one. Prints
"READY http=PORT grpc=PORT". Every request received becomes a JSON line in FILE:
{"transport", "path" (HTTP only), "headers" (HTTP only), "bytes" (unpacked), "fault"}; with --bodies the
unpacked body too, in hex.

Faults: ok | gzip (the answer is compressed) | partial:N | hang | close (mid-body) | garbage (not HTTP) | html (200,
a login page) | cut (a 200 whose protobuf is cut) | huge (1 MB of answer) | redirect | STATUS[:RETRY-AFTER] such as
429:1, 503:date (two seconds from now), 413 | limit:BYTES (413 above that size, else ok) |
grpc:CODE[:SECONDS] (SECONDS: with a RetryInfo). A fault of the other transport counts as ok.
A port that nobody listens on refuses by itself.
"""
import argparse
import base64
import email.utils
import gzip
import json
import socket
import ssl
import struct
import sys
import threading
import time


def field(number, payload):
    """A protobuf length-delimited field of less than 128 bytes."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def partial(n):
    """Export*ServiceResponse with partial_success {rejected: n (< 128), error_message}."""
    return field(1, b"\x08" + bytes([n]) + field(2, b"some were bad"))


def retry_info(code, seconds):
    """google.rpc.Status with a RetryInfo among its details."""
    delay = field(1, b"\x08" + bytes([seconds]))
    detail = field(1, b"type.googleapis.com/google.rpc.RetryInfo") + field(2, delay)
    return b"\x08" + bytes([code]) + field(3, detail)


class Receiver:
    """What both transports share: the list of faults and the record of requests."""

    def __init__(self, args):
        self.faults = args.faults
        self.out = open(args.out, "w", buffering=1) if args.out else None
        self.bodies = args.bodies
        self.lock = threading.Lock()

    def next_fault(self):
        with self.lock:
            return self.faults.pop(0) if len(self.faults) > 1 else self.faults[0]

    def record(self, body, **what):
        if self.bodies:
            what["body"] = body.hex()
        with self.lock:
            if self.out:
                self.out.write(json.dumps({**what, "bytes": len(body)}) + "\n")


# ---- HTTP/1.1 ----

def read_http(stream):
    """One request: its path, headers and unpacked body; None at the end of the connection."""
    line = stream.readline()
    if not line:
        return None
    path = line.split()[1].decode()
    headers = {}
    while (line := stream.readline().strip()):
        name, value = line.decode("latin-1").split(":", 1)
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return path, headers, body


def http_answer(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines + ["", ""]).encode() + body


PROTOBUF = {"Content_Type": "application/x-protobuf"}


def http_fault(fault, size):
    """The bytes to answer with and whether the connection goes on."""
    name, _, value = fault.partition(":")
    if name == "limit":
        name = "413" if size > int(value) else "ok"
        value = ""
    if name == "partial":
        return http_answer(200, partial(int(value)), **PROTOBUF), True
    if name == "gzip":
        return http_answer(200, gzip.compress(partial(1)), Content_Encoding="gzip", **PROTOBUF), True
    if name == "close":
        return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", False
    if name == "garbage":
        return b"\x16\x03\x01 this is not HTTP\r\n\r\n", False
    if name == "html":
        return http_answer(200, b"<html>please log in</html>", Content_Type="text/html"), True
    if name == "cut":
        return http_answer(200, partial(1)[:-3], **PROTOBUF), True
    if name == "huge":
        return http_answer(200, b"x" * 1000000, **PROTOBUF), True
    if name == "redirect":
        return http_answer(302, Location="http://192.0.2.1/elsewhere"), True
    if name.isdigit():
        date = email.utils.formatdate(time.time() + 2, usegmt=True)
        retry = {"Retry_After": date if value == "date" else value} if value else {}
        return http_answer(int(name), **retry), True
    return http_answer(200, **PROTOBUF), True


def serve_http(receiver, sock):
    stream = sock.makefile("rb")
    while (request := read_http(stream)) is not None:
        path, headers, body = request
        fault = receiver.next_fault()
        receiver.record(body, transport="http", path=path, headers=headers, fault=fault)
        if fault == "hang":
            time.sleep(3600)
        answer, go_on = http_fault(fault, len(body))
        sock.sendall(answer)
        if not go_on:
            return


# ---- gRPC: just enough HTTP/2 (RFC 9113) for unary calls; request headers are not decoded ----

DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """HPACK: literal without indexing, new name, no Huffman (RFC 7541, 6.2.2); shorter than 127 or two bytes."""
    def text(data):
        n = len(data)
        if n < 127:
            return bytes([n]) + data
        return bytes([127, (n - 127) & 127 | (128 if n - 127 > 127 else 0)]) + \
            (bytes([(n - 127) >> 7]) if n - 127 > 127 else b"") + data
    return b"\x00" + text(name.encode()) + text(value.encode())


STATUS_200 = b"\x88"  # static table, index 8


def grpc_answer(stream, message, code=0, details=b"", compressed=False):
    head = STATUS_200 + literal("content-type", "application/grpc")
    out = frame(HEADERS, END_HEADERS, stream, head + (literal("grpc-encoding", "gzip") if compressed else b""))
    if code == 0:
        out += frame(DATA, 0, stream, struct.pack(">BI", compressed, len(message)) + message)
    trailers = literal("grpc-status", str(code))
    if code:
        trailers += literal("grpc-message", "not%20now")
    if details:
        trailers += literal("grpc-status-details-bin", base64.b64encode(details).decode().rstrip("="))
    return out + frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers)


def grpc_fault(fault, stream):
    name, _, value = fault.partition(":")
    if name == "partial":
        return grpc_answer(stream, partial(int(value)))
    if name == "gzip":
        return grpc_answer(stream, gzip.compress(partial(1)), compressed=True)
    if name == "cut":
        return grpc_answer(stream, partial(1)[:-3])
    if name == "grpc":
        code, _, seconds = value.partition(":")
        return grpc_answer(stream, b"", int(code), retry_info(int(code), int(seconds)) if seconds else b"")
    if name.isdigit():
        status = b"\x08\x03" + name.encode()  # HPACK: name of static index 8 (":status"), literal value
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, status)
    return grpc_answer(stream, b"")


def unpack_message(data):
    compressed, n = struct.unpack(">BI", data[:5])
    assert len(data) == 5 + n, "one message is one call"
    return gzip.decompress(data[5:]) if compressed else data[5:]


def serve_grpc(receiver, sock):
    stream = sock.makefile("rb")
    assert stream.read(24) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    big = 2 ** 31 - 1
    sock.sendall(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, big)) +
                 frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", big - 65535)))
    bodies = {}
    while len(head := stream.read(9)) == 9:
        n = int.from_bytes(head[:3], "big")
        kind, flags, number = head[3], head[4], int.from_bytes(head[5:9], "big") & big
        payload = stream.read(n)
        if kind == SETTINGS and not flags & ACK:
            sock.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            sock.sendall(frame(PING, ACK, 0, payload))
        elif kind == DATA:
            bodies[number] = bodies.get(number, b"") + payload
            if flags & END_STREAM:
                body = unpack_message(bodies.pop(number))
                fault = receiver.next_fault()
                receiver.record(body, transport="grpc", fault=fault)
                if fault == "hang":
                    time.sleep(3600)
                if fault == "close":
                    sock.sendall(grpc_fault("ok", number)[:40])
                    return
                sock.sendall(grpc_fault(fault, number))


# ---- listening ----

def tls_context(files, alpn):
    if not files:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files[0], files[1])
    context.set_alpn_protocols([alpn])
    if len(files) > 2:
        context.load_verify_locations(files[2])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def converse(receiver, sock, context, serve):
    try:
        serve(receiver, context.wrap_socket(sock, server_side=True) if context else sock)
    except (OSError, ValueError) as error:
        print(f"fake_otlp: {error}", file=sys.stderr)
    finally:
        sock.close()


def listen(receiver, listener, context, serve):
    def accept():
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=converse, args=(receiver, sock, context, serve), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--http", type=int, default=0)
    parser.add_argument("--grpc", type=int, default=0)
    parser.add_argument("--unix")
    parser.add_argument("--out")
    parser.add_argument("--bodies", action="store_true")
    parser.add_argument("--tls", nargs="+")
    parser.add_argument("faults", nargs="*", default=["ok"])
    args = parser.parse_args()
    receiver = Receiver(args)

    http = socket.create_server(("127.0.0.1", args.http))
    grpc = socket.create_server(("127.0.0.1", args.grpc))
    listen(receiver, http, tls_context(args.tls, "http/1.1"), serve_http)
    listen(receiver, grpc, tls_context(args.tls, "h2"), serve_grpc)
    if args.unix:
        listen(receiver, socket.create_server(args.unix, family=socket.AF_UNIX), None, serve_grpc)
    print(f"READY http={http.getsockname()[1]} grpc={grpc.getsockname()[1]}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
