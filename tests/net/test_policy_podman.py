# SPDX-License-Identifier: GPL-2.0-or-later
"""Isolation of real Podman containers: the same API, other cgroups, and no daemon of theirs."""

import pytest

import cgroups
import podman
from contained import CLIENTS, Containers, Inside, conf, group, groups_of, missing, policed, rule, \
    shown, wait_address, wait_groups
from lab import Lab
from reach import PORT

REJECTED = ("ECONNREFUSED", "connect")
FRONT, DB = group("front", "container", "web-*"), group("db", "label", "role=db")
ALL = {"web-1": "front", "db": "db", "plain": None}


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    if missing(podman):
        pytest.skip(missing(podman))
    lab = Lab(tmp_path_factory.mktemp("podman"))
    try:
        network = Containers(lab, podman.Podman)
        serve = ["/bin/reach", "serve", str(PORT)]
        network.at = {name: network.runtime.container(name, labels=labels, command=serve)
                      for name, labels in (("web-1", {}), ("plain", {}), ("db", {"role": "db"}))}
        yield network
    finally:
        lab.close()


@pytest.fixture(name="lbd")
def fixture_lbd(network, make_balancer):
    for lbd in policed(make_balancer, network):
        lbd.start(conf(network.runtime.socket, [FRONT, DB, CLIENTS],
                       [rule("reject", "front", "db", "tcp")]))
        wait_groups(lbd, ALL)
        yield lbd


def tell(network, name, way, to):
    number = network.runtime.inspect(name)["Id"]
    (path,) = [path for path in (cgroups.root() / network.runtime.cgroup).rglob(f"*{number}*")
               if path.is_dir() and "conmon" not in path.name]
    return Inside(path).attempt(way, network.at[to])


def test_a_rule_holds_between_containers(network, lbd):
    rows = {row["name"]: row["cgroup"] for row in shown(lbd)["subjects"]}
    for name in ALL:
        number = network.runtime.inspect(name)["Id"]
        assert rows[name] == f"{network.runtime.cgroup}/libpod-{number}"
    assert tell(network, "web-1", "tcp", "db") == REJECTED
    assert tell(network, "web-1", "udp", "db") is None
    assert tell(network, "plain", "tcp", "db") is None
    assert tell(network, "db", "tcp", "web-1") is None


def test_a_container_that_comes_back_at_another_address_is_in_its_group_again(network, lbd):
    old = network.at["db"]
    network.runtime.kill("db")
    network.runtime.start("db")
    network.at["db"] = network.runtime.address("db")
    assert network.at["db"] != old
    wait_address(lbd, "db", network.at["db"])
    assert groups_of(lbd) == ALL
    assert tell(network, "web-1", "tcp", "db") == REJECTED

