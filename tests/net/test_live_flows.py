# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to live connections when something happens to their backend: the table in
CONTRACT.md, row by row, and that nobody else's connections notice."""

import contextlib
import re
import signal
import socket
import time

import pytest

from balancer import config
from lab import Lab, wait_for
from live import (FULL, PORT, Echoing, assert_untouched, flows, lost, moving, new_between,
                  of_server, operations, wait_lost)
from topology import VIP4
from traffic import connect

COUNT = 300
OFTEN = ("--interval", 200)
SOURCES = [f"192.0.2.{last}" for last in range(20, 80)]
NO_CHECK = 'check: { type = "none"; }; '
CHECK = 'check: { type = "http"; path = "/ready"; every = "200ms"; fall = 2; rise = 2; }; '


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    lab = Lab(tmp_path_factory.mktemp("live"))
    try:
        network = Echoing(lab, 4)
        network.client.ip(*(f"addr add {source}/24 dev eth0" for source in SOURCES))
        network.sources = iter(SOURCES)
        yield network
    finally:
        lab.close()


@pytest.fixture(name="start")
def fixture_start(network, lbd):
    """Starts lbd with backends c1, c2, c3 (or others), and waits until they are up."""
    def start(extra=NO_CHECK, numbers=(1, 2, 3), extras=None):
        lbd.start(config(network.service(*numbers, extra=extra, extras=extras)))
        for number in numbers:
            lbd.wait_state(f"live/c{number}", "up")
        return lbd
    return start


@contextlib.contextmanager
def unwell(network, *numbers):
    for number in numbers:
        network.echo(number).unwell()
    try:
        yield
    finally:
        for number in numbers:
            network.echo(number).well()


def live_flows(network, *options):
    """Each time from another address: the kernel of a backend that was cut off has not heard that
    its flows are over, and a new one shall not have the ports of one of those."""
    return flows(network.client, VIP4, PORT, COUNT, *(options or OFTEN), "--source",
                 next(network.sources))


def only_of(told, *numbers):
    """All flows of these servers, as lost() has them."""
    return {number: of_server(told, number)["flows"] for number in numbers}


def new_flows_go_to(live):
    """The servers of 60 connections that begin from now on."""
    live.wait_new(30)  # those that had begun are over
    before = live.now()
    return set(new_between(before, live.wait_new(60)))


def served(network):
    """Whether a new connection is answered."""
    try:
        with connect(network.client, VIP4, PORT, 0.5) as conn:
            conn.sendall(b"?")
            return conn.recv(1) != b""
    except OSError:
        return False


# ---- a check that fails ---------------------------------------------------------------------


def test_a_flapping_check_breaks_no_flow_and_moves_only_new_ones(network, start):
    lbd = start(CHECK)
    flaps = 30 if FULL else 4
    with live_flows(network, *OFTEN, "--new", 200) as live:
        for _ in range(flaps):
            with unwell(network, 2):
                lbd.wait_state("live/c2", "down", "503")
                assert new_flows_go_to(live) == {1, 3}
            lbd.wait_state("live/c2", "up")
            assert new_flows_go_to(live) == {1, 2, 3}
        live.wait_more()
        told = live.end()
    assert_untouched(told)
    assert told["new_failed"] == 0
    assert of_server(told, 2)["flows"] > 0


def test_on_down_cut_ends_the_flows_of_the_failed_one_alone(network, start):
    lbd = start(CHECK + 'on_down = "cut"; ')
    with live_flows(network) as live:
        own = only_of(live.now(), 2)
        with unwell(network, 2):
            lbd.wait_state("live/c2", "down")
            wait_lost(live, own)
        lbd.wait_state("live/c2", "up")
        live.wait_more()
        assert lost(live.end()) == own


@pytest.mark.parametrize("when_down", ["drop", "all"])
def test_below_min_up_live_flows_go_on(network, start, when_down):
    lbd = start(CHECK + f'min_up = 2; when_down = "{when_down}"; ')
    with live_flows(network) as live:
        with unwell(network, 1, 2):
            for name in ("live/c1", "live/c2"):
                lbd.wait_state(name, "down")
            assert lbd.show()["services"][0]["state"] == "down"
            dropped = lbd.verdicts()["DROP_NO_BACKEND"]
            assert served(network) == (when_down == "all")
            assert (lbd.verdicts()["DROP_NO_BACKEND"] > dropped) == (when_down == "drop")
            live.wait_more()
            with unwell(network, 3):  # nobody is left
                lbd.wait_state("live/c3", "down")
                assert served(network) == (when_down == "all")
                live.wait_more()
        for number in (1, 2, 3):
            lbd.wait_state(f"live/c{number}", "up")
        assert served(network)
        assert lbd.show()["services"][0]["state"] == "up"
        live.wait_more()
        assert_untouched(live.end())


def test_a_backup_serves_only_while_no_other_can(network, start):
    lbd = start(CHECK, extras={3: "backup = true; "})
    with live_flows(network, *OFTEN, "--new", 200) as live:
        assert new_flows_go_to(live) == {1, 2}
        with unwell(network, 1, 2):
            for name in ("live/c1", "live/c2"):
                lbd.wait_state(name, "down")
            assert new_flows_go_to(live) == {3}
            with live_flows(network) as on_backup:
                assert set(on_backup.now()["servers"]) == {"3"}
                network.echo(1).well()
                lbd.wait_state("live/c1", "up")
                assert new_flows_go_to(live) == {1}
                on_backup.wait_more()
                assert_untouched(on_backup.end())
        live.wait_more()
        assert_untouched(live.end())


# ---- gone, switched off ---------------------------------------------------------------------


def test_a_backend_that_is_gone_takes_only_its_own_flows_and_comes_back(network, start):
    """Its port gave the bridge its MAC: all neighbours there are flushed, and asked anew."""
    network.edge.ip("link set v2 address 02:00:00:00:00:02")
    lbd = start()
    assert network.edge.mac("br0") == "02:00:00:00:00:02"
    with live_flows(network) as live:
        own = only_of(live.now(), 2)
        network.edge.ip("link del v2")
        lbd.wait_state("live/c2", "down")
        wait_lost(live, own)
        with live_flows(network) as meanwhile:
            assert set(meanwhile.now()["servers"]) == {"1", "3"}
            network.attach(network.servers[1], 2)
            lbd.wait_state("live/c2", "up")
            with live_flows(network) as afterwards:
                assert set(afterwards.now()["servers"]) == {"1", "2", "3"}
                meanwhile.wait_more()
                assert_untouched(afterwards.end())
            assert_untouched(meanwhile.end())
        live.wait_more()
        assert lost(live.end()) == own


def test_flushed_neighbours_are_asked_anew_and_cost_nobody_a_flow(network, start):
    lbd = start()
    with live_flows(network) as live:
        for _ in range(5):
            network.edge.run("ip", "neigh", "flush", "nud", "all", "dev", "br0")
            live.wait_more(1)
        assert_untouched(live.end())
    assert "→ down" not in lbd.process.output()


def test_disable_cuts_only_its_own_flows_and_at_once(network, start):
    lbd = start()
    with live_flows(network) as live:
        own = only_of(live.now(), 2)
        lbd.ctl("disable", "live/c2")
        wait_lost(live, own, 3)
        with live_flows(network) as meanwhile:
            assert set(meanwhile.now()["servers"]) == {"1", "3"}
            lbd.ctl("enable", "live/c2")
            lbd.wait_state("live/c2", "up")
            meanwhile.wait_more()
            assert_untouched(meanwhile.end())
        live.wait_more()
        assert lost(live.end()) == own


def test_a_backend_taken_from_the_config_takes_only_its_own_flows(network, start):
    lbd = start()
    with live_flows(network) as live:
        own = only_of(live.now(), 3)
        lbd.reload(config(network.service(1, 2, extra=NO_CHECK)))
        wait_lost(live, own)
        live.wait_more()
        assert lost(live.end()) == own


# ---- weight and drain -----------------------------------------------------------------------


def test_weight_zero_takes_new_flows_and_leaves_the_live_ones(network, start):
    lbd = start()
    with live_flows(network, *OFTEN, "--new", 200) as live:
        lbd.ctl("weight", "live/c2", 0)
        assert new_flows_go_to(live) == {1, 3}
        live.wait_more()
        assert lbd.row("live/c2")["state"] == "up"
        lbd.ctl("reset", "live/c2")
        assert new_flows_go_to(live) == {1, 2, 3}
        assert_untouched(live.end())


def test_a_drain_cuts_at_its_deadline_and_not_before(network, start):
    """A deadline that a crash does not postpone."""
    lbd = start(NO_CHECK + 'drain = "7s"; ')
    with live_flows(network) as live:
        own = only_of(live.now(), 2)
        begin = time.monotonic()
        lbd.ctl("drain", "live/c2")
        wait_for(lambda: time.monotonic() > begin + 4.5, "more than half of the time")
        lbd.stop(signal.SIGKILL)
        lbd.start()
        assert operations(lbd) == []
        assert lost(live.now()) == {} or time.monotonic() - begin >= 7
        wait_lost(live, own)
        assert 7 <= time.monotonic() - begin < 11  # begun anew by the crash: 11.5
        assert lbd.row("live/c2")["reason"] == "drained: its time is over"
        live.wait_more()
        assert lost(live.end()) == own


def test_a_drain_ends_early_when_its_last_flow_has(network, start):
    """Not while a flow lives that says little; soon after nobody says anything more."""
    lbd = start(NO_CHECK + 'drain = "30m"; idle_timeout = "1s"; ')
    with live_flows(network, "--interval", 500) as live:
        assert of_server(live.now(), 2)["flows"] > 0
        lbd.ctl("drain", "live/c2")
        row = lbd.row("live/c2")
        assert (row["state"], row["reason"]) == ("drain", "draining: no new flows")
        assert row["slots_in_use"] > 0
        assert_untouched(live.end())
    lbd.wait_state("live/c2", "drain", "drained: nobody is left")
    assert lbd.row("live/c2")["slots_in_use"] == 0
    assert moving(lbd) == 0
    lbd.stop(signal.SIGKILL)
    lbd.start()
    assert operations(lbd) == []
    assert lbd.row("live/c2")["reason"] == "drained: nobody is left"
    lbd.ctl("enable", "live/c2")
    lbd.wait_state("live/c2", "up")
    assert served(network)


def test_slow_start_gives_a_share_that_grows_in_steps(network, start):
    lbd = start(NO_CHECK + 'slow_start = "3s"; ')
    wait_for(lambda: lbd.row("live/c2")["effective_weight"] == 100, "full weight")
    lbd.ctl("disable", "live/c2")
    with live_flows(network) as live:
        lbd.ctl("enable", "live/c2")
        steps = [(0, 0)]

        def grown():
            row = lbd.row("live/c2")
            if steps[-1] != (row["effective_weight"], row["share"]):
                steps.append((row["effective_weight"], row["share"]))
            return row["effective_weight"] == 100
        wait_for(grown, "full weight again")
        live.wait_more()
        assert_untouched(live.end())
    assert steps == sorted(steps) and len(steps) >= 5, steps
    assert 0 < steps[1][0] <= 30 and 0.30 < steps[-1][1] < 0.37, steps


# ---- restart --------------------------------------------------------------------------------


def program_of(network):
    link = network.edge.run("ip", "-d", "link", "show", "dev", "front0").stdout
    return re.search(r"prog/xdp id (\d+)", link)[1]


def test_slots_go_on_moving_over_a_crash_with_their_clocks_and_settle(network, start, capsys):
    lbd = start(NO_CHECK + 'idle_timeout = "5s"; ')
    program = program_of(network)
    with live_flows(network) as before:
        lbd.ctl("weight", "live/c2", 0)
        with live_flows(network) as since:
            moved = moving(lbd)
            assert moved > 300
            lbd.stop(signal.SIGKILL)
            lbd.start()
            assert operations(lbd) == []
            assert lbd.plan_is_empty()
            assert moving(lbd) == moved
            assert lbd.show()["services"][0]["moving_since_s"] < 60
            assert program_of(network) == program
            before.wait_more()
            since.wait_more()
            assert_untouched(since.end())
        assert_untouched(before.end())
    quiet = time.monotonic()
    # idle_timeout in ticks of 1.07 s, rounded up, with a record's margin and the slot's: 13.
    wait_for(lambda: time.monotonic() > quiet + 6, "half of the time")
    assert moving(lbd) == moved
    lbd.stop(signal.SIGKILL)
    lbd.start()
    assert moving(lbd) == moved
    wait_for(lambda: moving(lbd) == 0, "all slots settled")
    settled = time.monotonic() - quiet
    with capsys.disabled():
        print(f"\nsettled {settled:.1f} s after the last packet (idle_timeout 5 s), over a crash")
    assert 11 < settled < 18  # clocks that the crash had set anew: 20
    assert lbd.plan_is_empty()
    assert program_of(network) == program
    lbd.wait_log("service live: moving → settled")


def greeted(network, port, seconds=8):
    """Who answers a connection from this port of the client; it stays open."""
    sock = network.client.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(seconds)
    sock.bind(("0.0.0.0", port))
    sock.connect((VIP4, PORT))
    sock.sendall(b"?")
    return sock, sock.recv(1)[0]


def test_a_port_used_again_reaches_a_backend_that_has_not_heard_of_the_end(network, start):
    """Its kernel asks back (RFC 5961), the client's answers with a RST, which has to find the way
    that the SYN found while the slot is moving."""
    lbd = start()
    for port in range(20000, 20100):
        sock, server = greeted(network, port)
        if server == 2:
            break
        sock.close()
    network.edge.ip("link del v2")
    lbd.wait_state("live/c2", "down")
    with pytest.raises(ConnectionResetError):
        sock.sendall(b"?")
        sock.recv(1)
    sock.close()
    network.attach(network.servers[1], 2)
    lbd.wait_state("live/c2", "up")
    sock, server = greeted(network, port)
    assert server == 2
    sock.close()
