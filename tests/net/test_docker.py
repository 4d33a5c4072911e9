# SPDX-License-Identifier: GPL-2.0-or-later
"""Real Docker containers behind docker0, with Docker's own rules in place."""

import collections

import pytest

import docker
from balancer import backend, config, service
from lab import Lab
from topology import CLIENT4, VIP4, FrontClient
from traffic import curl, nginx

PAGE = "/cgi-bin/who"


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lacking = docker.missing()
    if lacking:
        pytest.skip(lacking)
    lab = Lab(tmp_path_factory.mktemp("docker"))
    try:
        network = FrontClient(lab)
        network.docker = docker.Docker(network.edge)
        assert network.docker.wait_ready(), network.docker.process.output()
        network.docker.image_make()
        network.addresses = {name: network.docker.container(name)
                             for name in ("web-1", "web-2", "web-3")}
        nginx(network.client, port=8081)
        yield network
    finally:
        lab.close()


def lb_conf(network, *names):
    return config(service("web", [VIP4], [backend(name, network.addresses[name])
                                          for name in names]))


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    return make_module_balancer(network.edge).start(lb_conf(network, *network.addresses))


def who_answers(network, count=60):
    return collections.Counter(curl(network.client, VIP4, path=PAGE)[0] for _ in range(count))


def test_requests_reach_every_container_from_the_clients_own_address(network):
    assert curl(network.client, VIP4, path=PAGE)[1] == CLIENT4
    assert set(who_answers(network)) == {"web-1", "web-2", "web-3"}


def test_docker_s_own_rules_stand(network):
    """They would drop what the balancer sends if it went by the stack."""
    rules = network.edge.run("iptables-save").stdout
    assert ":FORWARD DROP" in rules
    assert "-j MASQUERADE" in rules
    assert curl(network.client, network.addresses["web-1"], 8080, PAGE, check=False,
                seconds=1) is None


def test_the_ports_of_the_bridge_are_used_and_no_answer_is_masqueraded(network, balanced):
    before = balanced.verdicts()
    assert curl(network.client, VIP4, path=PAGE)
    after = balanced.verdicts()
    for row in balanced.show()["services"][0]["backends"]:
        assert row["interface"].startswith("veth")
    assert after["REDIRECT_NAT"] > before["REDIRECT_NAT"]
    assert after["REDIRECT_REPLY"] > before["REDIRECT_REPLY"]


def test_direct_connections_go_on(network):
    for name, address in network.addresses.items():
        assert curl(network.edge, address, 8080, PAGE)[0] == name
    answer = network.docker.run("exec", "web-1", "/bin/wget", "-q", "-O", "-",
                                f"http://{network.addresses['web-2']}:8080{PAGE}").stdout
    assert answer.decode().split() == ["web-2", network.addresses["web-1"]]


def test_a_container_still_reaches_the_world_masqueraded(network):
    answer = network.docker.run("exec", "web-1", "/bin/wget", "-q", "-O", "-",
                                f"http://{CLIENT4}:8081/").stdout
    assert answer.decode().split() == ["client", "192.0.2.1"]


def test_a_container_that_is_restarted_comes_back(network, balanced):
    old = balanced.row("web/web-1")["interface"]
    network.docker.run("stop", "-t", "0", "web-1")
    balanced.wait_state("web/web-1", "down")
    assert set(who_answers(network)) == {"web-2", "web-3"}
    network.docker.run("start", "web-1")
    assert network.docker.address("web-1") == network.addresses["web-1"]
    balanced.wait_state("web/web-1", "up")
    assert balanced.row("web/web-1")["interface"] != old
    assert set(who_answers(network)) == {"web-1", "web-2", "web-3"}


def test_a_new_container_is_added_by_a_reload(network, balanced):
    network.addresses["web-4"] = network.docker.container("web-4")
    balanced.reload(lb_conf(network, *network.addresses))
    balanced.wait_state("web/web-4", "up")
    assert set(who_answers(network)) == set(network.addresses)
