# SPDX-License-Identifier: GPL-2.0-or-later
"""drain, enable, disable, weight and reset: what an operator sets at run time."""

import re
import signal

import pytest

import foreign
from balancer import backend, config, service
from lab import wait_for
from topology import VIP4, VIPS
from traffic import connect, curl_many


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


def web(network, numbers=(1, 2, 3)):
    return config(service("web", VIPS, [backend(f"c{i}", *network.addresses(i))
                                        for i in numbers]))


@pytest.fixture(name="running")
def fixture_running(network, lbd):
    return lbd.start(web(network))


def answering(network):
    return set(curl_many(network.client, VIP4, 60))


def states(balancer, name):
    return {row["state"] for row in balancer.rows(name)}


@pytest.mark.parametrize("verb, state", [("drain", "drain"), ("disable", "off")])
def test_a_backend_taken_out_gets_no_new_flows_until_it_is_enabled(network, running, verb, state):
    assert running.ctl(verb, "web/c1").stdout.startswith("web/c1: ")
    assert states(running, "web/c1") == {state}
    assert all(row["override"] and row["share"] == 0 and row["reason"]
               for row in running.rows("web/c1"))
    assert answering(network) == {"c2", "c3"}
    running.ctl("enable", "web/c1")
    assert states(running, "web/c1") == {"up"}
    assert all(row["override"] for row in running.rows("web/c1"))
    assert answering(network) == {"c1", "c2", "c3"}
    running.ctl("reset", "web/c1")
    assert not any(row["override"] for row in running.rows("web/c1"))


def test_a_draining_backend_says_how_many_slots_it_holds(running):
    running.ctl("drain", "web/c1")
    held = running.row("web/c1")["slots_in_use"]
    assert held > 300
    for view in ((), ("backends",)):
        assert f"draining: no new flows, {held} slots held" in running.ctl("show", *view).stdout


def moving(balancer):
    (shown,) = balancer.show()["services"]
    return shown["slots_moving"], shown["moving_since_s"]


def test_since_when_slots_move_is_shown_and_survives_a_crash(running):
    assert moving(running) == (0, None)
    running.ctl("drain", "web/c1")
    slots, since = moving(running)
    assert slots > 600 and since in (0, 1)
    wait_for(lambda: moving(running)[1] >= 2, "two seconds of motion")
    running.stop(signal.SIGKILL)
    running.start()
    again, since = moving(running)
    assert again == slots and since >= 2
    assert re.search(rf" {slots:,} for [0-9]+s ", running.ctl("show").stdout)


def test_a_weight_moves_its_share(network, running):
    running.ctl("weight", "web/c1", 300)
    assert all(row["weight"] == row["effective_weight"] == 300 for row in running.rows("web/c1"))
    assert all(abs(row["share"] - 0.6) < 0.02 for row in running.rows("web/c1"))
    running.ctl("weight", "web/c1", 0)
    assert all(row["share"] == 0 for row in running.rows("web/c1"))
    assert answering(network) == {"c2", "c3"}
    running.ctl("reset", "web/c1")
    assert all(abs(row["share"] - 1 / 3) < 0.02 for row in running.rows("web/c1"))


def test_every_backend_out_leaves_the_service_down_and_drops(network, running):
    for number in (1, 2, 3):
        running.ctl("disable", f"web/c{number}")
    (shown,) = running.show()["services"]
    assert shown["state"] == "down"
    assert shown["reason"] == "IPv4: 0 backends can take new flows, min_up is 1"
    running.wait_log("service web: up → down: IPv4: 0 backends can take new flows, min_up is 1")
    before = running.verdicts()["DROP_NO_BACKEND"]
    with pytest.raises(TimeoutError):
        connect(network.client, VIP4, 80, seconds=0.2)
    assert running.verdicts()["DROP_NO_BACKEND"] > before
    assert "reset" in running.ctl("show").stdout
    running.ctl("reset", "--all")
    assert running.show()["services"][0]["state"] == "up"
    assert answering(network) == {"c1", "c2", "c3"}


def test_with_reject_who_comes_while_the_service_is_down_is_told_so(network, running):
    """The client's end wants a program of its own: without one the kernel's veth lets what the
    other end answers with XDP_TX lie in its ring."""
    foreign.attach(network.client, "eth0")
    running.reload(web(network).replace("forward =", 'when_down = "reject"; forward ='))
    for number in (1, 2, 3):
        running.ctl("disable", f"web/c{number}")
    for vip in VIPS:
        with pytest.raises(ConnectionRefusedError):
            connect(network.client, vip, 80)
    assert running.verdicts()["TX_REJECT"] == len(VIPS)
    running.ctl("reset", "--all")
    assert answering(network) == {"c1", "c2", "c3"}
    foreign.detach(network.client, "eth0")


def test_overrides_survive_reload_and_restart(network, running):
    running.ctl("drain", "web/c1")
    running.ctl("weight", "web/c2", 50)
    reloaded = running.reload(web(network))
    assert reloaded["overrides"] == 2
    assert "2 overrides stand over the config" in running.ctl("plan").stdout
    running.stop()
    running.start()
    assert states(running, "web/c1") == {"drain"}
    assert {row["weight"] for row in running.rows("web/c2")} == {50}
    assert running.show()["config"]["overrides"] == 2
    running.ctl("reset", "--all")
    running.stop()
    running.start()
    assert states(running, "web/c1") == {"up"}
    assert running.show()["config"]["overrides"] == 0


def test_an_override_survives_unload_too_as_it_survives_a_reboot(running):
    running.ctl("disable", "web/c3")
    running.unload()
    running.start()
    assert states(running, "web/c3") == {"off"}


def test_an_override_of_a_backend_that_left_the_config_is_an_orphan(network, running):
    running.ctl("drain", "web/c3")
    running.reload(web(network, (1, 2)))
    assert running.show()["orphan_overrides"] == [
        {"service": "web", "backend": "c3", "state": "drain", "weight": None}]
    assert "web/c3 drain" in running.ctl("show").stdout
    running.reload(web(network))
    assert states(running, "web/c3") == {"drain"}
    running.reload(web(network, (1, 2)))
    running.ctl("reset", "web/c3")
    assert running.show()["orphan_overrides"] == []


@pytest.mark.parametrize("args, sentence", [
    (("drain", "web/nobody"), 'there is no backend "web/nobody"'),
    (("weight", "nothing/c1", 5), 'there is no backend "nothing/c1"'),
    (("reset", "web/c1"), 'no override stands on "web/c1"'),
])
def test_what_is_not_there_cannot_be_overridden(running, args, sentence):
    before = running.show()["services"]
    refused = running.ctl(*args, check=False)
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert running.show()["services"] == before
