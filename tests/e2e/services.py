# SPDX-License-Identifier: Apache-2.0
"""Starts real servers on a harness.Host; each function returns when the server listens. Used by tests and the demo."""
import os
import pathlib
import shutil
import subprocess

from harness import APPS, PYTHON, ROOT, wait_for

NGINX_LOG = ('{"method":"$request_method","path":"$uri","args":"$args","status":$status,"sent":$bytes_sent,'
             '"body":$body_bytes_sent,"received":$request_length,"seconds":$request_time}')


def nginx(host, port, locations="location / { return 200 'hello\\n'; }", upstreams="", listen=None, name="nginx", workers=1):
    """nginx with one server; its access log is the truth: request_log(host.directory / 'NAME.access.log')."""
    d = host.directory / name
    d.mkdir()
    (d / "html").mkdir()
    config = d / "nginx.conf"
    config.write_text(f"""
daemon off; worker_processes {workers}; user root; pid {d}/pid; error_log {d}/error.log;
events {{ worker_connections 4096; }}
http {{
	log_format truth escape=json '{NGINX_LOG}';
	access_log {host.directory}/{name}.access.log truth;
	client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
	sendfile on; keepalive_timeout 60; keepalive_requests 1000000; large_client_header_buffers 8 64k; client_max_body_size 64m;
	{upstreams}
	server {{ {listen or f"listen 127.0.0.1:{port}; listen [::1]:{port};"} root {d}/html; {locations} }}
}}
""")
    p = host.start(shutil.which("nginx") or "/usr/sbin/nginx", "-c", config, "-e", d / "error.log", name=name)
    host.wait_port(port)
    return p


def postgres_bin():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent


def postgres(host, port, sql=()):
    """PostgreSQL as an unprivileged user (it refuses root), trust authentication, a unix socket in its directory."""
    d, b = host.directory / "pg", postgres_bin()
    d.mkdir()
    shutil.chown(d, "nobody")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    host.run(*as_nobody, b / "initdb", "-D", d / "data", "-A", "trust", "-U", "postgres", "-N", "--no-locale", "-E", "UTF8",
             env={"LC_ALL": "C"})
    p = host.start(*as_nobody, b / "postgres", "-D", d / "data", "-p", port, "-k", d, "-c", "listen_addresses=127.0.0.1,::1",
                   "-c", "fsync=off", name="postgres", env={"LC_ALL": "C"})
    host.wait_port(port)
    psql = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-q", "-v", "ON_ERROR_STOP=1"]
    wait_for(lambda: subprocess.run(host.argv([*psql, "-c", "select 1"]), capture_output=True).returncode == 0, 20, "PostgreSQL")
    for statement in sql:
        host.run(*psql, "-c", statement)
    return p


def redis(host, port):
    d = host.directory / "redis"
    d.mkdir()
    p = host.start("redis-server", "--port", port, "--bind", "127.0.0.1", "::1", "--save", "", "--appendonly", "no", "--dir", d,
                   "--unixsocket", d / "redis.sock", name="redis")
    host.wait_port(port)
    return p


def gunicorn(host, port, app="shop:app", worker="sync", env=None, workers=2, threads=4, also=(), name="gunicorn"):
    """gunicorn with a module of tests/e2e/apps, on loopback (IPv4 and IPv6) and on the addresses in `also`."""
    binds = [x for a in (f"127.0.0.1:{port}", f"[::1]:{port}", *also) for x in ("-b", a)]
    argv = [PYTHON.parent / "gunicorn", "--chdir", APPS, *binds, "-k", worker, "-w", workers, "--keep-alive", "30",
            "--timeout", "120", "--log-level", "warning", "--worker-tmp-dir", "/dev/shm", "--pythonpath", APPS, app]
    if worker == "gthread":
        argv += ["--threads", threads]
    p = host.start(*argv, name=name, env={"PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
    host.wait_port(port)
    return p


def node(host, port, script="price.mjs", env=None, name="node"):
    p = host.start(shutil.which("node"), APPS / script, name=name, env={"PORT": str(port), **(env or {})})
    host.wait_port(port)
    return p


def uvicorn(host, port, app="asgi:app", listen=("--host", "127.0.0.1"), env=None):
    p = host.start(PYTHON.parent / "uvicorn", "--app-dir", APPS, *listen, "--port", port, "--log-level", "warning",
                   "--timeout-keep-alive", "60", app, name="uvicorn", env={"PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
    if "--uds" not in listen:
        host.wait_port(port)
    return p


def build(source, output):
    """Builds a test program of tests/e2e/apps (C or Go) into build/e2e/ when it is older than its source."""
    source, output = APPS / source, ROOT / "build" / "e2e" / output
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.exists() and output.stat().st_mtime > source.stat().st_mtime:
        return output
    if source.suffix == ".go":
        argv = ["go", "build", "-buildvcs=false", "-o", output, source]
    else:
        argv = ["gcc", "-O2", "-Wall", "-Wextra", "-o", output, source, "-luring"]
    subprocess.run([str(a) for a in argv], check=True, cwd=APPS, env={**os.environ, "CGO_ENABLED": "0"})
    return output


def go_server(host, port, env=None):
    p = host.start(build("main.go", "go-server"), name="go", env={"PORT": str(port), **(env or {})})
    host.wait_port(port)
    return p


SHOP_SQL = ("CREATE TABLE orders (id serial PRIMARY KEY, customer text, total numeric)",
            "INSERT INTO orders (customer, total) VALUES ('alice', 12.5), ('bob', 3)")


def shop(host, port, node_port, pg_port, redis_port, **more):
    """The shop with all it needs: PostgreSQL, Redis, the price service in Node, and gunicorn in front of them."""
    postgres(host, pg_port, SHOP_SQL)
    redis(host, redis_port)
    node(host, node_port, env={"REQUEST_LOG": str(host.directory / "price.requests")})
    env = {"PRICE_URL": f"http://127.0.0.1:{node_port}", "REDIS_URL": f"redis://127.0.0.1:{redis_port}",
           "PG_DSN": f"host=127.0.0.1 port={pg_port} user=postgres dbname=postgres sslmode=disable gssencmode=disable",
           "REQUEST_LOG": str(host.directory / "shop.requests"), **more.pop("env", {})}
    return gunicorn(host, port, env=env, **more)


def proxy_to(port):
    """nginx's location and upstream for a proxy that keeps its connections: locations=, upstreams= of nginx()."""
    return {"locations": 'location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }',
            "upstreams": f"upstream backend {{ server 127.0.0.1:{port}; keepalive 16; }}"}
