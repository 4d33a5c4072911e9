# SPDX-License-Identifier: GPL-2.0-or-later
"""A policy that changes, and one whose daemon dies: old rules or new ones, never a mix and never
none; live connections end that are forbidden now, and no other."""

import re
import resource
import signal
import socket
import time

import pytest

import live
from balancer import TUNING
from cgroups import Cgroup
from isolated import THERE4, THERE6, Hammer, network_made, policy, refused, rule, shown, \
    take_away
from lab import BPFFS, wait_for
from live import flows
from reach import PORT, Server, reach

LEFT, RIGHT = 7110, 7111  # servers of `there`
FLOWS_LEFT, FLOWS_RIGHT = 7120, 7121  # of long connections
NO_POLICY = f"version = 1;\n{TUNING}"
FORBIDDEN = "EPERM"
CUT = {"ECONNABORTED", "ECONNRESET"}  # a connection that a reload ended as it was being made


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    for network in network_made(tmp_path_factory.mktemp("change")):
        for port in (LEFT, RIGHT):
            Server(network.there, port=port)
        for number, port in enumerate((FLOWS_LEFT, FLOWS_RIGHT), 1):
            live.Server(network.there, number, port=port)
        yield network


@pytest.fixture(name="lbd")
def fixture_lbd(network, make_balancer):
    lbd = make_balancer(network.edge)
    yield lbd
    take_away(lbd)


def one_of_two(network, allowed, kind="cgroup"):
    """LEFT or RIGHT may be reached; each refuses by another errno, so that no refusal of one list
    can be taken for the other's."""
    left, right = ("allow", "deny") if allowed == LEFT else ("reject", "allow")
    return policy({"here": network.group(kind)}, rule(left, "here", None, "tcp", [LEFT]),
                  rule(right, "here", None, "tcp", [RIGHT]), default="deny")


# Which list an outcome is of.
STATES = {(LEFT, "ok"): LEFT, (RIGHT, "EPERM"): LEFT,
          (LEFT, "ECONNREFUSED"): RIGHT, (RIGHT, "ok"): RIGHT}


@pytest.mark.parametrize("kind", ["cgroup", "netns"])
def test_an_attempt_meets_the_old_rules_or_the_new_ones(network, lbd, kind):
    """A mix would be seen as one more turn than there were reloads; none at all, as an outcome that
    neither list has."""
    lbd.start(one_of_two(network, LEFT, kind))
    hammer = Hammer(network.here, THERE4, LEFT, RIGHT, cgroup=network.of_cgroup(kind))
    hammer.wait(RIGHT, "EPERM")
    turns = 12
    for i in range(turns):
        lbd.reload(one_of_two(network, LEFT if i % 2 else RIGHT, kind))
    counts = hammer.end()
    attempts = sum(sum(outcomes.values()) for outcomes in counts.values())
    print(f"{attempts} attempts during {turns} reloads: {counts}")
    assert attempts > 10 * turns
    for port, outcomes in counts.items():
        assert {(port, outcome) for outcome in set(outcomes) - CUT} <= set(STATES), counts
    assert min(counts[LEFT]["ok"], counts[RIGHT]["ok"], counts[LEFT]["ECONNREFUSED"]) > 0
    seen = [STATES[change] for change in hammer.changes() if change in STATES]
    met = sum(one != other for one, other in zip(seen, seen[1:]))
    assert met <= turns, hammer.changes()


def test_a_live_connection_ends_that_a_reload_forbids_and_no_other(network, lbd):
    lbd.start(policy({"here": network.group("netns")}))
    unconnected = network.here.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with flows(network.here, THERE4, FLOWS_LEFT, 5) as forbidden, \
            flows(network.here, THERE4, FLOWS_RIGHT, 5) as allowed, \
            flows(network.third, THERE4, FLOWS_LEFT, 5) as other, unconnected:
        unconnected.sendto(b"reach-before", (THERE4, PORT))
        assert unconnected.recv(100) == b"reach-before"
        lbd.reload(policy({"here": network.group("netns")},
                          rule("deny", "here", None, "tcp", [FLOWS_LEFT])))
        forbidden.wait(lambda now: sum(row["lost"] for row in now["servers"].values()) == 5,
                       "the end of all that are forbidden")
        for untouched in (allowed, other):
            untouched.wait_more()
            live.assert_untouched(untouched.now())
        unconnected.settimeout(5)
        unconnected.sendto(b"reach-after", (THERE4, PORT))
        assert unconnected.recv(100) == b"reach-after"
    lbd.wait_log("live connections that it forbids: 5 cut, 0 could not be")
    assert shown(lbd)["connections_cut"] == 5
    (told,) = [event for event in lbd.events("--kind", "denial") if "cut" in event]
    assert (told["to"], told["cut"], told["kept"]) == ("5 cut, 0 could not be", 5, 0)


def test_a_connected_udp_socket_ends_and_one_that_is_not_stays(network, lbd):
    lbd.start(policy({"here": network.group("netns")}))
    with network.here.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected, \
            network.here.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        connected.connect((THERE4, PORT))
        bound.bind(("0.0.0.0", 0))
        for sock in (connected, bound):
            sock.settimeout(5)
            sock.sendto(b"reach-it", (THERE4, PORT))
            assert sock.recv(100) == b"reach-it"
        lbd.reload(policy({"here": network.group("netns")}, rule("deny", "here", THERE4, "udp")))
        with pytest.raises(ConnectionAbortedError):
            connected.recv(100)
        with pytest.raises(PermissionError):
            bound.sendto(b"reach-it", (THERE4, PORT))
        lbd.reload(policy({"here": network.group("netns")}))
        bound.sendto(b"reach-it", (THERE4, PORT))
        assert bound.recv(100) == b"reach-it"


def test_nine_thousand_connections_are_cut_at_once(network, lbd):
    """And a tenth of as many, which are allowed, are not."""
    count, kept = 9000, 900
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < count + kept + 500:
        pytest.skip(f"RLIMIT_NOFILE is below {count + kept + 500}")
    lbd.start(policy({"here": network.group("netns")}))
    with network.here.entered():
        socks = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count + kept)]
    try:
        for number, sock in enumerate(socks):
            sock.connect((THERE4, FLOWS_LEFT if number < count else FLOWS_RIGHT))
        lbd.conf.write_text(policy({"here": network.group("netns")},
                                   rule("deny", "here", None, "tcp", [FLOWS_LEFT])))
        began = time.monotonic()
        lbd.ctl("reload")
        took = time.monotonic() - began
        states = [sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] for sock in socks]
        print(f"{count} of {count + kept} connections cut in {1000 * took:.0f} ms, the whole "
              f"reload with it")
        closed = 7  # TCP_CLOSE
        assert set(states[:count]) == {closed}
        assert set(states[count:]) == {1}  # TCP_ESTABLISHED
        assert took < 5  # a busy machine; 500 ms is what `make bench` holds it to
    finally:
        for sock in socks:
            sock.close()
    lbd.wait_log(f"live connections that it forbids: {count} cut, 0 could not be")
    told = [line for line in lbd.process.output().splitlines() if "at a live connection" in line]
    assert len(told) == 10 and told[-1].endswith(f"; {count - 10} more untold")


# ---- the daemon's death ----------------------------------------------------------------------


def test_policy_goes_on_without_its_daemon_and_a_restart_has_no_gap(network, lbd):
    lbd.start(one_of_two(network, LEFT))
    hammer = Hammer(network.here, THERE4, LEFT, RIGHT, cgroup=network.cgroup)
    hammer.wait(RIGHT, FORBIDDEN)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        lbd.stop(number)
        assert refused(network.reach("tcp", THERE4, port=RIGHT)) == (FORBIDDEN, "connect")
        assert network.reach("tcp", THERE4, port=LEFT)["ok"]
        child = network.cgroup.child("late")  # nobody tells the programs of it
        assert refused(reach(network.here, "tcp", THERE4, port=RIGHT, cgroup=child)) == \
            (FORBIDDEN, "connect")
        child.remove()
        lbd.start()
    counts = hammer.end()
    print(f"three deaths and restarts: {counts}")
    assert set(counts[LEFT]) == {"ok"} and set(counts[RIGHT]) == {FORBIDDEN}


def test_a_cgroup_that_is_made_again_is_covered_soon(network, lbd):
    """By its name it is the same group, by its id another cgroup."""
    cgroup = Cgroup(network.lab, "again")
    lbd.start(policy({"again": ("cgroup", cgroup.name)}, default="deny"))
    slowest = 0
    for _ in range(5):
        assert refused(reach(network.here, "tcp", THERE4, cgroup=cgroup)) == ("EPERM", "connect")
        cgroup.remove()
        cgroup.path.mkdir()
        began = time.monotonic()
        wait_for(lambda: refused(reach(network.here, "tcp", THERE4, "--timeout", 20,
                                       cgroup=cgroup)) == ("EPERM", "connect"),
                 "the new cgroup to be judged")
        slowest = max(slowest, time.monotonic() - began)
    print(f"a cgroup that was made again was covered after at most {1000 * slowest:.0f} ms")
    assert slowest < 2  # with the start of the process that asks; 100 ms is the promise


def test_a_cgroup_that_is_made_below_a_governed_parent_is_never_uncovered(network, lbd):
    """Its first packet is judged, before the daemon has looked: also while there is none."""
    parent = Cgroup(network.lab, "parent")
    parent.child("db-0")
    lbd.start(policy({"db": ("cgroup", f"{parent.name}/db-*")}, default="deny"))
    lbd.process.signal(signal.SIGSTOP)
    try:
        for number in range(1, 6):
            child = parent.child(f"db-{number}")
            assert refused(reach(network.here, "tcp", THERE4, cgroup=child)) == \
                ("EPERM", "connect")
    finally:
        lbd.process.signal(signal.SIGCONT)


# ---- what stays and what goes ----------------------------------------------------------------


def test_unload_keeps_isolation_and_unload_all_leaves_nothing(network, lbd):
    lbd.start(one_of_two(network, LEFT, "netns"))
    said = lbd.ctl("unload").stdout
    lbd.process.wait()
    assert "isolation" in said and "--all" in said, said
    denied = reach(network.here, "tcp", THERE4, "--timeout", 5000, port=RIGHT)
    assert refused(denied) == (FORBIDDEN, "connect")
    lbd.ctl("unload", "--all")
    assert reach(network.here, "tcp", THERE4, "--timeout", 5000, port=RIGHT)["ok"]
    assert not list(BPFFS.glob(f"{lbd.pin.name}*"))
    filters = network.edge.run("tc", "filter", "show", "dev", "v1", "ingress").stdout
    assert "policy_backstop" not in filters


@pytest.mark.parametrize("groups, text", [
    ('{ name = "here"; cgroup = "x"; }, { name = "here"; cgroup = "y"; }', "here"),
    ('{ name = "unknown"; cgroup = "x"; }', "here")], ids=["twice", "unknown group"])
def test_a_reload_that_is_refused_leaves_the_old_rules_in_force(network, lbd, groups, text):
    lbd.start(one_of_two(network, LEFT))
    lbd.conf.write_text(f'version = 1;\n{TUNING}policy: {{ groups = ( {groups} ); '
                        f'rules = ( {{ from = "here"; action = "deny"; }} ); }};\n')
    refusal = lbd.ctl("reload", check=False)
    assert refusal.returncode == 1 and text in refusal.stderr, refusal.stderr
    assert network.reach("tcp", THERE4, port=LEFT)["ok"]
    assert refused(network.reach("tcp", THERE4, port=RIGHT)) == (FORBIDDEN, "connect")


def test_rules_beyond_the_tables_change_nothing_and_say_what_is_too_much(network, lbd):
    """Rules between many groups of addresses, each of which makes classes of its own."""
    lbd.start(one_of_two(network, LEFT))
    rules = [rule("allow", f"10.{i // 250}.{i % 250}.0/24", "here", "tcp",
                  list(range(1 + i % 7, 3000, 2))) for i in range(1500)]
    lbd.conf.write_text(policy({"here": network.group()}, *rules, default="deny"))
    refusal = lbd.ctl("reload", check=False)
    assert refusal.returncode == 1 and re.search(r"policy.*\d+", refusal.stderr), refusal.stderr
    assert network.reach("tcp", THERE4, port=LEFT)["ok"]
    assert refused(network.reach("tcp", THERE4, port=RIGHT)) == (FORBIDDEN, "connect")


def test_a_config_without_a_policy_takes_it_away(network, lbd):
    lbd.start(one_of_two(network, LEFT))
    assert refused(network.reach("tcp", THERE4, port=RIGHT)) == (FORBIDDEN, "connect")
    lbd.reload(NO_POLICY)
    assert network.reach("tcp", THERE4, port=RIGHT)["ok"]
    assert not (lbd.pin / "policy").exists()
    lbd.reload(one_of_two(network, LEFT))
    assert refused(network.reach("tcp", THERE4, port=RIGHT)) == (FORBIDDEN, "connect")


def test_two_daemons_judge_side_by_side(network, lbd, make_balancer):
    """Each its own groups; what either forbids does not pass."""
    other = make_balancer(network.edge, "other")
    sibling = Cgroup(network.lab, "sibling")
    lbd.start(policy({"here": network.group()}, rule("deny", "here", None, "tcp", [LEFT])))
    other.start(policy({"here": network.group(), "sibling": ("cgroup", sibling.name)},
                       rule("deny", None, None, "tcp", [RIGHT])))
    try:
        for port, cgroup, errno in ((LEFT, network.cgroup, "EPERM"), (RIGHT, sibling, "EPERM"),
                                    (RIGHT, network.cgroup, "EPERM"), (LEFT, sibling, None)):
            for address in (THERE4, THERE6):
                result = reach(network.here, "tcp", address, "--timeout", 5000, port=port,
                               cgroup=cgroup)
                assert refused(result) == (errno and (errno, "connect")), (port, cgroup.name)
    finally:
        other.ctl("unload", "--all")
    assert network.reach("tcp", THERE4, port=RIGHT)["ok"]
    assert refused(network.reach("tcp", THERE4, port=LEFT)) == ("EPERM", "connect")
