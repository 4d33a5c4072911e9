# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: networks that a module's tests share, and a daemon of its own for each test."""

import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

# pylint: disable=wrong-import-position
import cgroups  # noqa: E402
from balancer import LBCTL, LBD, Balancer  # noqa: E402
from lab import Lab, signals_unwind, sweep  # noqa: E402
from topology import Bridged, Far, OnTheLink, Routed  # noqa: E402
from traffic import nginx  # noqa: E402

TOOLS = ("ip", "nsenter", "setpriv", "ethtool", "nginx", "curl")


def pytest_configure(config):
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() == 0:
        signals_unwind()
        if not hasattr(config, "workerinput"):  # who starts xdist's workers has swept for them
            sweep()
            cgroups.sweep()


@pytest.fixture(scope="session")
def ground():
    """What every lab needs."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for tool in TOOLS:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    assert LBD.exists() and LBCTL.exists(), "build lbd and lbctl first: make"


def network_of(kind, tmp):
    lab = Lab(tmp)
    try:
        network = kind(lab)
        for host in network.servers:
            nginx(host)
        yield network
    finally:
        lab.close()


@pytest.fixture(scope="module", name="bridged")
def fixture_bridged(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_of(Bridged, tmp_path_factory.mktemp("bridged"))


@pytest.fixture(scope="module", name="routed")
def fixture_routed(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_of(Routed, tmp_path_factory.mktemp("routed"))


@pytest.fixture(scope="module", name="on_the_link")
def fixture_on_the_link(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_of(OnTheLink, tmp_path_factory.mktemp("link"))


@pytest.fixture(scope="module", name="far")
def fixture_far(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_of(Far, tmp_path_factory.mktemp("far"))


def balancers():
    """Makes balancers; what they put into the kernel is taken away in the end."""
    made = []

    def make(namespace, name="lbd"):
        made.append(Balancer(namespace, name))
        return made[-1]

    yield make
    for balancer in made:
        if balancer.namespace.path.exists():
            balancer.unload()
        shutil.rmtree(balancer.dir)


@pytest.fixture(name="make_balancer")
def fixture_make_balancer():
    yield from balancers()


@pytest.fixture(name="make_module_balancer", scope="module")
def fixture_make_module_balancer():
    yield from balancers()


@pytest.fixture(name="lbd")
def fixture_lbd(make_balancer, network):
    """A balancer of the edge host, not started yet. `network` is what the module's tests run on:
    each module has a fixture of that name."""
    return make_balancer(network.edge)
