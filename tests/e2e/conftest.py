# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a fresh host per test, an OTLP receiver per test, agents that are stopped whatever happens."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import harness  # noqa: E402


@pytest.fixture
def host():
    h = harness.Host()
    yield h
    h.close()


@pytest.fixture
def receiver():
    r = harness.Receiver()
    yield r
    r.close()


@pytest.fixture
def sonde(host, receiver):
    """sonde(select, tier=..., args=..., env=...) starts an agent that exports to `receiver`. Each selector is narrowed to
    the test's own namespace: other processes of this machine may listen on the same port."""
    agents = []

    def start(select, **more):
        select = [f"{s},netns={host.name}" if "netns=" not in s else s
                  for s in ([select] if isinstance(select, str) else select)]
        agents.append(harness.Agent(host.directory, select, more.pop("endpoint", receiver.url), **more))
        return agents[-1]

    yield start
    for a in agents:
        if a.process.running():
            a.stop()


@pytest.fixture(params=os.environ.get("E2E_TIERS", "socket syscall").split())
def tier(request):
    return request.param
