# SPDX-License-Identifier: GPL-2.0-or-later
"""XDP programs of others: one on another interface is none of our business, one on the front is
not ours to remove."""

import pytest

import foreign
from balancer import backend, config, service
from lab import BPFFS, wait_for
from topology import VIPS
from traffic import curl


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    """With one more interface at the edge host, and somebody behind it."""
    other = bridged.lab.namespace("other")
    bridged.lab.veth(bridged.edge, "side0", other, "eth0")
    bridged.edge.ip("addr add 10.9.0.1/24 dev side0", "link set side0 up")
    other.ip("addr add 10.9.0.2/24 dev eth0", "link set eth0 up", "route add default via 10.9.0.1")
    return bridged


@pytest.fixture(name="conf")
def fixture_conf(network):
    return config(service("web", VIPS, [backend(f"c{i}", *network.addresses(i))
                                        for i in (1, 2, 3)]))


def test_one_on_another_interface_keeps_running(network, lbd, conf):
    foreign.attach(network.edge, "side0")
    theirs = foreign.attached(network.edge, "side0")
    try:
        lbd.start(conf)
        assert curl(network.client, VIPS[0])
        lbd.stop()
        lbd.start()
        lbd.unload()
        assert foreign.attached(network.edge, "side0") == theirs
        before = foreign.passed(theirs["id"])
        assert curl(network.lab["other"], network.addresses(1)[0], 8080)
        wait_for(lambda: foreign.passed(theirs["id"]) > before, "packets through their program")
    finally:
        foreign.detach(network.edge, "side0")


def test_one_on_the_front_is_named_and_stays(network, lbd, conf):
    foreign.attach(network.edge, "front0")
    theirs = foreign.attached(network.edge, "front0")
    try:
        said = lbd.start_refused(conf)
        assert "interface front0: an XDP program that is not ours leaves no room" in said
        assert f'(foreign, id {theirs["id"]})' in said
        assert "ip link set dev front0 xdp off" in said
        assert foreign.attached(network.edge, "front0") == theirs
        assert "lb_reply" not in network.edge.run("tc", "filter", "show", "dev", "v1",
                                                  "ingress").stdout
        # As the sentence says: detached, it starts.
        foreign.detach(network.edge, "front0")
        lbd.start()
        assert curl(network.client, VIPS[0])
    finally:
        foreign.detach(network.edge, "front0")


def test_a_foreign_program_that_takes_an_optional_front_refuses_the_reload(network, lbd, conf):
    """What runs goes on: a reload is all or nothing."""
    lbd.start(conf)
    foreign.attach(network.edge, "side0")
    theirs = foreign.attached(network.edge, "side0")
    try:
        lbd.conf.write_text(conf.replace('"front0"; }', '"front0"; }, { name = "side0"; }'))
        refused = lbd.ctl("reload", check=False)
        assert refused.returncode == 1
        assert "interface side0: an XDP program that is not ours" in refused.stderr
        assert foreign.attached(network.edge, "side0") == theirs
        assert [row["name"] for row in lbd.show()["interfaces"] if row["front"]] == ["front0"]
        assert curl(network.client, VIPS[1])
    finally:
        foreign.detach(network.edge, "side0")


def test_a_refused_start_leaves_no_program_behind(network, lbd, conf):
    foreign.attach(network.edge, "front0")
    try:
        lbd.start_refused(conf)
    finally:
        foreign.detach(network.edge, "front0")
    assert foreign.attached(network.edge, "front0") is None
    assert not [path for path in BPFFS.glob(f"{lbd.pin.name}/front_*")]
