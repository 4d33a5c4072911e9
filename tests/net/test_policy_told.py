# SPDX-License-Identifier: GPL-2.0-or-later
"""What a policy says of what it does: events, exact counts, audit and its break-glass, and rules
that are written from what was seen."""

import os
import re
import signal
import socket

import pytest

from balancer import TUNING
from isolated import HERE4, SILENT, THERE4, THERE6, THIRD4, balancer_of, line_of, network_made, \
    policy, refused, rule, rule_of, shown
from lab import wait_for
from reach import PORT, Server, reach

DENIED = ("EPERM", "connect")


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    yield from network_made(tmp_path_factory.mktemp("told"))


@pytest.fixture(name="lbd", scope="module")
def fixture_lbd(network, make_module_balancer):
    yield from balancer_of(network, make_module_balancer)


def told(lbd, pattern):
    """The line of the log that an event made; the same stands in show."""
    line = wait_for(lambda: re.search(rf"policy: ((would be )?refused: {pattern})$",
                                      lbd.process.output(), re.M), pattern)[1]
    assert line in [event["text"] for event in shown(lbd)["events"]]
    return line


# ---- events ----------------------------------------------------------------------------------


def test_a_refusal_names_who_which_rule_whom_and_where(network, lbd):
    lbd.reload(policy({"here": network.group()}, rule("allow", "here", None, "icmp"),
                      rule("reject", "here", None, "tcp", [PORT]), default="deny"))
    name, here = re.escape(network.cgroup.name), re.escape(str(lbd.conf))
    network.reach("tcp", THERE4)
    number = line_of(lbd, f'ports = [ {PORT} ]')
    line = told(lbd, rf"tcp to {THERE4}:{PORT}; {name} \(here\), {here}:{number} "
                     rf"\(here → any, reject\), at connect by reach\[\d+\]")
    event = next(event for event in shown(lbd)["events"] if event["text"] == line)
    wanted = {"passed": False, "container": network.cgroup.name, "groups": "here",
              "file": str(lbd.conf), "line": number, "hook": "connect", "protocol": "tcp",
              "local": None, "remote": f"{THERE4}:{PORT}", "untold": 0}
    assert {key: event[key] for key in wanted} == wanted
    network.reach("sendto", THERE6)
    told(lbd, rf"udp to \[{THERE6}\]:{PORT}; {name} \(here\), policy.default \(deny\), "
              rf"at sendmsg by reach\[\d+\]")
    network.reach("raw_udp", THERE4, *SILENT)
    told(lbd, rf"udp {HERE4}:\d+ → {THERE4}:{PORT}; {name} .*, at egress")
    server = Server(network.here, port=PORT + 1, cgroup=network.cgroup)
    reach(network.third, "udp", HERE4, *SILENT, port=PORT + 1)
    told(lbd, rf"udp {THIRD4}:\d+ → {HERE4}:{PORT + 1}; {name} .*, at ingress")
    server.process.end()


def test_a_flood_is_counted_exactly_and_told_rarely(network, lbd):
    count = 10000
    lbd.reload(policy({"here": network.group("netns")}, rule("deny", "here", None, "udp")))
    number = line_of(lbd, 'protocol = "udp"')
    before = lbd.process.output().count("refused: udp")
    with network.here.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            with pytest.raises(PermissionError):
                sock.sendto(b"x", (THERE4, PORT))
    wait_for(lambda: lbd.process.output().count("refused: udp") > before, "an event")
    row = rule_of(lbd, number)
    lines = lbd.process.output().count("refused: udp") - before
    print(f"{count} refused datagrams: {row['refused']} counted, {lines} lines, "
          f"{row['untold']} untold")
    assert row["refused"] == count
    assert row["untold"] + lines == count
    assert lines < 200  # ten a second of a rule on a CPU


def test_a_full_ring_is_counted_exactly_while_its_reader_stands_still(network, lbd):
    """Each of many rules may tell of ten a second on a CPU: more than there is room for."""
    ports, count = range(20_000, 20_600), 12
    lbd.reload(policy({"here": network.group("netns")},
                      *(rule("deny", "here", None, "udp", [port]) for port in ports)))
    lost = shown(lbd)["lost"]["events"]
    before = lbd.process.output().count("refused: udp")
    os.kill(lbd.process.pid, signal.SIGSTOP)
    try:
        with network.here.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for port in ports:
                for _ in range(count):
                    with pytest.raises(PermissionError):
                        sock.sendto(b"x", (THERE4, port))
            sock.sendto(b"x", (THERE4, PORT))
    finally:
        os.kill(lbd.process.pid, signal.SIGCONT)
    rows = [row for row in shown(lbd)["rules"] if row["refused"]]
    assert [row["refused"] for row in rows] == [count] * len(ports)
    assert shown(lbd)["lost"]["events"] > lost

    def all_told():
        lines = lbd.process.output().count("refused: udp") - before
        return lines + sum(row["untold"] for row in rows) == count * len(ports)
    wait_for(all_told, "a line of each that was not untold")


# ---- audit -----------------------------------------------------------------------------------


def test_a_policy_in_audit_lets_pass_and_tells(network, lbd):
    lbd.reload(policy({"here": network.group()}, rule("deny", "here", None, "tcp"),
                      mode="audit", default="deny"))
    for way in ("tcp", "udp"):
        assert network.reach(way, THERE4)["ok"]
    row = rule_of(lbd, line_of(lbd, 'protocol = "tcp"'))
    assert row["audited"] >= 1 and row["refused"] == 0
    lines = [event["text"] for event in shown(lbd)["events"]]
    assert any(line.startswith("would be refused: tcp") for line in lines), lines


def test_a_rule_in_audit_is_alone_in_it(network, lbd):
    lbd.reload(policy({"here": network.group()}, rule("deny", "here", None, "tcp", mode="audit"),
                      default="deny"))
    assert network.reach("tcp", THERE4)["ok"]
    assert refused(network.reach("udp", THERE4)) == DENIED
    assert rule_of(lbd, line_of(lbd, 'mode = "audit"; }'))["audited"] >= 1


def test_break_glass_opens_and_closes_without_a_reload(network, lbd):
    lbd.reload(policy({"here": network.group()}, default="deny",
                      sockets=['{ group = "here"; deny = [ "raw" ]; }']))
    assert refused(network.reach("tcp", THERE4)) == DENIED
    lbd.ctl("policy", "audit")
    assert shown(lbd)["break_glass"] is True
    try:
        for way in ("tcp", "udp", "ping", "raw"):
            assert network.reach(way, THERE4)["ok"]
        with network.resident(lbd):
            assert network.reach("udp", THERE4)["ok"]
    finally:
        lbd.ctl("policy", "enforce")
    assert shown(lbd)["break_glass"] is False
    assert refused(network.reach("tcp", THERE4)) == DENIED
    assert refused(network.reach("raw", THERE4)) == ("EPERM", "socket")


# ---- suggest ---------------------------------------------------------------------------------


def test_suggested_rules_load_and_allow_what_was_seen_and_nothing_else(network, lbd):
    groups = {"here": network.group("netns"), "there": ("netns", network.there.name)}
    other = Server(network.there, port=PORT + 1)
    third = Server(network.third)
    lbd.reload(policy(groups, default="deny", mode="audit"))
    seen = [("tcp", THERE4, PORT), ("udp", THERE6, PORT), ("udp", THIRD4, PORT),
            ("ping", THERE4, 0)]
    for way, address, port in seen:
        assert reach(network.here, way, address, "--timeout", 5000, port=port)["ok"]
    text = lbd.ctl("policy", "suggest", "--since", "10m").stdout
    named = ", ".join(f'{{ name = "{name}"; {key} = "{pattern}"; }}'
                      for name, (key, pattern) in groups.items())
    lbd.conf.write_text(f"version = 1;\n{TUNING}policy: {{ default = \"deny\"; "
                        f"groups = ( {named} );\n{text} }};\n")
    assert lbd.ctl("check", lbd.conf).returncode == 0
    lbd.ctl("reload")
    for way, address, port in seen:
        result = reach(network.here, way, address, "--timeout", 5000, port=port)
        assert result["ok"], (text, result)
    for way, address, port in (("tcp", THERE4, PORT + 1), ("tcp", THERE6, PORT + 1),
                               ("tcp", THIRD4, PORT), ("udp", THERE4, PORT + 1)):
        assert not reach(network.here, way, address, *SILENT, port=port)["ok"], text
    for server in (other, third):
        server.process.end()


def test_a_time_that_is_none_is_wrong_usage(network, lbd):
    lbd.reload(policy({"here": network.group()}, mode="audit", default="deny"))
    assert network.reach("tcp", THERE4)["ok"]
    assert '"tcp"' in lbd.ctl("policy", "suggest").stdout
    wrong = lbd.ctl("policy", "suggest", "--since", "yesterday", check=False)
    assert wrong.returncode == 2 and "--since" in wrong.stderr
