# SPDX-License-Identifier: GPL-2.0-or-later
"""Backends that are containers, by name and by label: they are found, they leave the moment they
die, and they come back by themselves wherever they are then."""

import collections
import contextlib
import time

import pytest

import docker
import podman
from balancer import config, service
from lab import Lab, wait_for
from topology import VIP4, FrontClient
from traffic import curl

PAGE = "/cgi-bin/who"
OTHER_VIP = "203.0.113.11"
SHOP = ("--label", "app=shop")


def of(key, value, name=None, extra=""):
    """A backend that is found by `container` or `label`."""
    return f'{{ name = "{name or value}"; {key} = "{value}"; port = 8080; {extra}}}'


def lb_conf(socket, *services):
    return config(*services, extra=f'containers: {{ socket = "{socket}"; }};\n')


def web(*backends, extra=""):
    return service("web", [VIP4], backends, extra=extra)


def who_answers(network, count=40):
    return collections.Counter(curl(network.client, VIP4, path=PAGE)[0] for _ in range(count))


def wait_addresses(balancer, addresses):
    """Until every row is up with its address, and there is no other."""
    def reached():
        rows = balancer.show()["services"][0]["backends"]
        return {row["name"]: row["address"] for row in rows
                if row["state"] == "up"} == addresses and len(rows) == len(addresses)
    wait_for(reached, f"{addresses}: {balancer.show()['services'][0]['backends']}")


@contextlib.contextmanager
def network_with(module, kind, tmp):
    """A front and a runtime of its own; skips what the machine has not."""
    lacking = module.missing()
    if lacking:
        pytest.skip(lacking)
    lab = Lab(tmp)
    try:
        network = FrontClient(lab)
        network.runtime = kind(network.edge)
        assert network.runtime.wait_ready(), network.runtime.process.output()
        network.runtime.image_make()
        yield network
    finally:
        lab.close()


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    with network_with(docker, docker.Docker, tmp_path_factory.mktemp("docker")) as network:
        network.runtime.container("web-a")
        network.runtime.container("web-b")
        network.runtime.container("one", *SHOP)
        network.runtime.container("two", *SHOP)
        yield network


@pytest.fixture(name="podman_network", scope="module")
def fixture_podman_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    with network_with(podman, podman.Podman, tmp_path_factory.mktemp("podman")) as network:
        network.runtime.container("web-a")
        network.runtime.container("web-b", labels={"app": "shop"})
        yield network


@pytest.fixture(name="balanced", scope="module")
def fixture_balanced(network, make_module_balancer):
    return make_module_balancer(network.edge)


@pytest.fixture(name="started")
def fixture_started(network, balanced):
    """web-a and web-b by their names, shop.one and shop.two by their label, all up."""
    conf = lb_conf(network.runtime.socket, web(of("container", "web-a"), of("container", "web-b"),
                                               of("label", "app=shop", "shop")))
    if balanced.process:
        balanced.reload(conf)
    else:
        balanced.start(conf)
    for name in ("web-a", "web-b", "one", "two"):
        network.runtime.run("start", name)
    wait_addresses(balanced, {row: network.runtime.address(name) for row, name in (
        ("web-a", "web-a"), ("web-b", "web-b"), ("shop.one", "one"), ("shop.two", "two"))})
    return balanced


def test_containers_are_found_by_name_and_by_label(network, started):
    assert set(who_answers(network)) == {"web-a", "web-b", "one", "two"}
    assert started.plan_is_empty()
    assert started.show()["containers"] == {"socket": str(network.runtime.socket),
                                            "connected": True, "reason": None, "count": 4}


def test_a_container_that_is_killed_is_gone_within_a_second(network, started):
    begin = time.monotonic()
    network.runtime.run("kill", "web-b")
    started.wait_state("web/web-b", "down", "container web-b is not running")
    assert time.monotonic() - begin < 1
    (row,) = started.rows("web/web-b")
    assert (row["address"], row["share"]) == (None, 0)
    assert set(who_answers(network)) == {"web-a", "one", "two"}
    assert "web/web-b" in started.ctl("show", "backends").stdout


def test_requests_go_on_while_a_container_is_killed_and_comes_back_elsewhere(network, started):
    """From the kill until the row is gone requests may find nobody; behind that none does."""
    before = network.runtime.address("web-a")
    network.runtime.run("kill", "web-a")
    started.wait_state("web/web-a", "down")
    network.runtime.container("in-between")  # takes the lowest free address
    network.runtime.run("start", "web-a")
    address = network.runtime.address("web-a")
    assert address != before
    wait_for(lambda: started.rows("web/web-a")[0]["address"] == address, "the new address")
    started.wait_state("web/web-a", "up")
    assert set(who_answers(network)) == {"web-a", "web-b", "one", "two"}
    network.runtime.run("rm", "-f", "in-between")


def test_a_container_that_comes_back_again_and_again_is_up_at_once_each_time(network, started):
    """Its bridge has forgotten it each time, and the kernel would ask for it only seconds later."""
    for _ in range(3):
        network.runtime.run("kill", "web-b")
        started.wait_state("web/web-b", "down", "container web-b is not running")
        network.runtime.run("start", "web-b")
        begin = time.monotonic()
        started.wait_state("web/web-b", "up")
        assert time.monotonic() - begin < 3


def test_a_container_with_the_label_joins_and_leaves(network, started):
    network.runtime.container("three", *SHOP)
    started.wait_state("web/shop.three", "up")
    assert "three" in who_answers(network, 60)
    network.runtime.run("stop", "-t", "0", "three")
    started.wait_state("web/shop.three", "down", "container three is not running")
    network.runtime.run("rm", "three")
    wait_for(lambda: not started.rows("web/shop.three"), "shop.three is no backend any more")
    assert set(who_answers(network)) == {"web-a", "web-b", "one", "two"}


def test_an_override_stands_on_a_container_found_by_its_label(network, started):
    started.ctl("disable", "web/shop.one")
    started.wait_state("web/shop.one", "off")
    assert "one" not in who_answers(network)
    network.runtime.run("restart", "-t", "0", "one")
    network.runtime.run("restart", "-t", "0", "two")
    started.wait_state("web/shop.two", "up")
    assert started.rows("web/shop.one")[0]["state"] == "off"
    started.ctl("reset", "web/shop.one")
    started.wait_state("web/shop.one", "up")


def test_checks_follow_a_container(network, started):
    check = 'check: { type = "http"; path = "/cgi-bin/who"; every = "100ms"; timeout = "90ms"; };'
    started.reload(lb_conf(network.runtime.socket, web(of("container", "web-a"), extra=check)))
    started.wait_state("web/web-a", "up")
    network.runtime.run("stop", "-t", "0", "web-a")
    started.wait_state("web/web-a", "down", "container web-a is not running")
    network.runtime.run("start", "web-a")
    started.wait_state("web/web-a", "up")
    assert set(who_answers(network, 5)) == {"web-a"}


def test_what_is_not_there_is_a_row_that_says_so(network, started):
    started.reload(lb_conf(network.runtime.socket, web(
        of("container", "web-a"), of("container", "nobody"), of("label", "app=none", "none"),
        of("container", "web-b", extra='network = "backnet"; '))))
    reasons = {row["name"]: row["reason"] for row in started.show()["services"][0]["backends"]}
    assert reasons == {"web-a": None, "nobody": "container nobody does not exist",
                       "none": "no container has the label app=none",
                       "web-b": "container web-b is not on network backnet"}
    assert set(who_answers(network, 5)) == {"web-a"}


def test_of_two_vips_before_one_container_the_second_stays_down(network, started):
    one = web(of("container", "web-a"))
    started.reload(lb_conf(network.runtime.socket, one,
                           service("again", [OTHER_VIP], [of("container", "web-a")])))
    started.wait_state("again/web-a", "down", "it has the address of web/web-a, and with nat")
    assert set(who_answers(network, 5)) == {"web-a"}
    started.conf.write_text(lb_conf(network.runtime.socket, one))
    started.ctl("reload", "--break", "again")


def test_a_network_must_be_named_where_there_are_several(network, started):
    network.runtime.run("network", "create", "back")
    network.runtime.run("network", "connect", "back", "web-b")
    try:
        started.wait_state("web/web-b", "down", "is on several networks")
        backends = web(of("container", "web-b", extra='network = "bridge"; '))
        started.reload(lb_conf(network.runtime.socket, backends))
        started.wait_state("web/web-b", "up")
    finally:
        network.runtime.run("network", "disconnect", "back", "web-b")
        network.runtime.run("network", "rm", "back")


def test_a_daemon_that_starts_again_finds_the_same_containers(network, started):
    before = started.show()["services"][0]["backends"]
    started.stop()
    started.start()
    after = started.show()["services"][0]["backends"]
    assert [(row["name"], row["address"], row["state"]) for row in before] == \
        [(row["name"], row["address"], row["state"]) for row in after]
    assert "backend" not in started.process.output().split("ready:")[0]
    assert set(who_answers(network)) == {"web-a", "web-b", "one", "two"}


def test_without_a_runtime_the_others_serve_and_the_plan_waits_for_a_moment(network, started):
    nowhere = network.lab.tmp / "nowhere.sock"
    address = network.runtime.address("web-a")
    fixed = f'{{ name = "fixed"; address = "{address}"; port = 8080; }}'
    begin = time.monotonic()
    started.reload(lb_conf(nowhere, web(of("container", "web-b"), fixed)))
    assert time.monotonic() - begin < 5
    started.wait_state("web/web-b", "down",
                       f"the container runtime at {str(nowhere)[:100]} does not answer: ")
    assert set(who_answers(network, 5)) == {"web-a"}


def test_podman_s_containers_are_found_too(podman_network, make_balancer):
    network = podman_network
    balancer = make_balancer(network.edge)
    balancer.start(lb_conf(network.runtime.socket, web(of("container", "web-a"),
                                                       of("label", "app=shop", "shop"))))
    balancer.wait_state("web/web-a", "up")
    balancer.wait_state("web/shop.web-b", "up")
    assert set(who_answers(network)) == {"web-a", "web-b"}
    network.runtime.kill("web-a")
    balancer.wait_state("web/web-a", "down", "container web-a is not running")
    network.runtime.start("web-a")
    balancer.wait_state("web/web-a", "up")
    assert balancer.rows("web/web-a")[0]["address"] == network.runtime.address("web-a")
    assert set(who_answers(network)) == {"web-a", "web-b"}
