# SPDX-License-Identifier: Apache-2.0
"""The same simple routes as shop.py, as a raw ASGI application for uvicorn: /, /users/N, /status/N, /echo, /chunked,
/big?n=, /slow?ms=. Environment: REQUEST_LOG (truth.py)."""
import asyncio
import json
import time
import urllib.parse

import truth


async def body_length(receive):
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    return length


async def answer(path, args, received):
    """(status, parts of the body, whether its length is announced)."""
    if path == "/slow":
        await asyncio.sleep(float(args["ms"]) / 1000)
        return 200, [b"late\n"], True
    if path.startswith("/status/"):
        code = int(path.rsplit("/", 1)[1])
        return code, [] if code == 204 else [f"{code}\n".encode()], code != 204
    if path == "/echo":
        return 200, [json.dumps({"length": received}).encode()], True
    if path == "/chunked":
        return 200, [f"part {i}\n".encode() * 100 for i in range(10)], False
    if path == "/big":
        return 200, [b"\0" * int(args["n"])], True
    if path == "/" or path.startswith("/users/"):
        return 200, [b"hello\n"], True
    return 404, [b"no such page\n"], True


async def respond(scope, receive, send):
    since, received = time.perf_counter(), await body_length(receive)
    args = dict(urllib.parse.parse_qsl(scope["query_string"].decode()))
    status, parts, announced = await answer(scope["path"], args, received)
    headers = [(b"content-type", b"text/plain")]
    if announced:
        headers.append((b"content-length", str(sum(map(len, parts))).encode()))
    if scope["method"] == "HEAD":
        parts = []
    handed = time.perf_counter()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for part in parts:
        handed = time.perf_counter()
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    truth.write(scope["method"], scope["path"], status, received, sum(map(len, parts)), since, handed)


async def app(scope, receive, send):
    if scope["type"] == "http":
        await respond(scope, receive, send)
    else:
        assert scope["type"] == "lifespan"
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
