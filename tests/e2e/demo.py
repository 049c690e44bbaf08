# SPDX-License-Identifier: Apache-2.0
"""The demo: nginx in front of a gunicorn/Flask shop that calls a Node service, PostgreSQL and Redis, and sonde showing
what it sees of exactly those.

The services live in a network namespace and a cgroup of their own, and sonde selects the cgroup; the little traffic
there is comes from the same namespace but another cgroup, so it is not watched. Ends by itself after DEMO_SECONDS
(default 60), or by ctrl-C, SIGTERM or hang-up, and takes everything it made with it.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys

import harness
import services

NGINX, SHOP, PRICE, POSTGRES, REDIS = 8080, 8000, 3000, 5432, 6379
SECONDS = int(os.environ.get("DEMO_SECONDS", "60"))
SCRAPE = os.environ.get("DEMO_LISTEN", "127.0.0.1:9464")
ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
# Mostly checkouts, and a little of everything that may happen: another id each time, an error, a slow page.
PATHS = ["/checkout", "/users/{i}", "/orders", "/checkout", "/cache", "/price", "/checkout", "/slow?ms=80",
         "/checkout", "/status/404", "/users/{i}", "/checkout", "/status/500"]


def say(text):
    print(f"demo: {text}", file=sys.stderr, flush=True)


def start_services(host):
    say(f"PostgreSQL, Redis, Node, gunicorn and nginx start in network namespace and cgroup {host.name}")
    services.shop(host, SHOP, PRICE, POSTGRES, REDIS, worker="gthread", workers=1)
    services.nginx(host, NGINX, **services.proxy_to(SHOP))


def start_traffic(host):
    """In the services' namespace, not in their cgroup."""
    plan = {"to": ["127.0.0.1", NGINX], "paths": PATHS, "clients": 2, "pause": 0.25, "seconds": SECONDS + 30}
    argv = ["ip", "netns", "exec", host.name, harness.PYTHON, harness.APPS / "traffic.py"]
    traffic = harness.Process(argv, host.directory / "traffic.log", stdin=subprocess.PIPE)
    traffic.popen.stdin.write(json.dumps(plan).encode())
    traffic.popen.stdin.close()
    return traffic


def start_sonde(host):
    """On our own terminal; its log goes to a file, which is shown when it fails."""
    selector = f"cgroup=/{host.cgroup.relative_to(harness.CGROUP2)}"
    argv = [harness.SONDE, "run", "--select", selector, "--print", "--listen", SCRAPE]
    say("running " + " ".join([os.path.relpath(harness.SONDE), *argv[1:]]))
    return subprocess.Popen(argv, stderr=open(host.directory / "sonde.log", "wb"), start_new_session=True)


def watch(host):
    """Until the time is over; sonde's exit code."""
    start_services(host)
    traffic = start_traffic(host)
    sonde = None
    try:
        sonde = start_sonde(host)
        return sonde.wait(SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        sonde.send_signal(signal.SIGTERM)
        return sonde.wait(10)
    finally:
        if sonde and sonde.poll() is None:
            sonde.kill()
        traffic.stop()


def stop(*_):
    raise KeyboardInterrupt


def main():
    if os.geteuid() != 0:
        say("needs root: sudo make demo")
        return 1
    # A signal waits until the host is whole: half of one would be left behind.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    for s in ENDINGS:
        signal.signal(s, stop)
    host, code = harness.Host(), 0
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
        code = watch(host)
        if code:
            say("sonde failed:\n" + pathlib.Path(host.directory / "sonde.log").read_text(errors="replace"))
    except KeyboardInterrupt:
        pass
    finally:
        for s in ENDINGS:
            signal.signal(s, signal.SIG_IGN)
        host.close()
    say("over: the services, their namespace and their cgroup are gone")
    return code


if __name__ == "__main__":
    sys.exit(main())
