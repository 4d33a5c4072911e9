# SPDX-License-Identifier: GPL-2.0-or-later
"""What a rule means, on the wire and in the caller's errno: who is in a group, which rule decides,
whom it is about, what always passes, and which sockets a group may make and bind."""

import contextlib
import re
import socket

import pytest

from balancer import backend, service
from isolated import HERE4, HERE6, SILENT, THERE4, THERE6, THIRD4, THIRD6, balancer_of, line_of, \
    network_made, policy, refused, rule, rule_of
from lab import wait_for
from reach import PORT, Reach, Server, reach
from topology import CLIENT4, VIP4, vip_on_lo

DENIED, REJECTED = ("EPERM", "connect"), ("ECONNREFUSED", "connect")
KINDS = ("cgroup", "netns")
ADDRESSES = pytest.mark.parametrize("address", [THERE4, THERE6], ids=["IPv4", "IPv6"])


@pytest.fixture(name="network", scope="module")
def fixture_network(ground, tmp_path_factory):  # pylint: disable=unused-argument
    for network in network_made(tmp_path_factory.mktemp("policy")):
        network.others = {port: Server(network.there, port=port) for port in (PORT + 1, PORT + 2)}
        yield network


@pytest.fixture(name="lbd", scope="module")
def fixture_lbd(network, make_module_balancer):
    yield from balancer_of(network, make_module_balancer)


# ---- a rule and its errno --------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_an_action_is_the_caller_s_errno_at_once(network, lbd, kind):
    lbd.reload(policy({"here": network.group(kind)},
                      *(rule(action, "here", None, protocol, [PORT + i])
                        for protocol in ("tcp", "udp")
                        for i, action in enumerate(("allow", "deny", "reject")))))
    wanted = {PORT: None, PORT + 1: "EPERM", PORT + 2: "ECONNREFUSED"}
    slowest = 0
    for way, step in (("tcp", "connect"), ("udp", "connect"), ("sendto", "answer")):
        for address in (THERE4, THERE6):
            for port, errno in wanted.items():
                result = reach(network.here, way, address, "--timeout", 5000, port=port,
                               cgroup=network.of_cgroup(kind))
                assert refused(result) == (errno and (errno, step)), (way, address, result)
                slowest = max(slowest, result["ms"] if errno else 0)
    print(f"by {kind}: a refusal took at most {slowest} ms")
    assert slowest < 1000  # nothing waited for an answer


def test_the_first_rule_that_matches_decides(network, lbd):
    group = {"here": network.group()}
    lbd.reload(policy(group, rule("reject", "here", THERE4, "tcp", [PORT]),
                      rule("allow", "here", "10.1.0.0/24"), rule("deny", "here")))
    assert refused(network.reach("tcp", THERE4)) == REJECTED
    assert network.reach("tcp", THERE4, port=PORT + 1)["ok"]
    assert refused(network.reach("tcp", THERE6)) == DENIED
    lbd.reload(policy(group, rule("allow", "here", "10.1.0.0/24"),
                      rule("reject", "here", THERE4, "tcp", [PORT])))
    assert network.reach("tcp", THERE4)["ok"]


def test_the_default_is_for_whoever_is_in_a_group(network, lbd):
    lbd.reload(policy({"here": network.group()}, default="deny"))
    assert refused(network.reach("tcp", THERE4)) == DENIED
    assert refused(network.reach("udp", THERE6)) == DENIED
    assert reach(network.here, "tcp", THERE4)["ok"]  # the same namespace, but not the cgroup
    lbd.reload(policy({"here": network.group()}, default="allow"))
    assert network.reach("tcp", THERE4)["ok"]


def test_a_pattern_covers_what_is_below_and_does_not_cross_a_slash(network, lbd):
    child = network.cgroup.child("child")
    inner = child.child("inner")
    try:
        lbd.reload(policy({"some": ("cgroup", f"{network.cgroup.name}/ch*")}, default="deny"))
        assert refused(network.reach("tcp", THERE4, cgroup=child)) == DENIED
        assert refused(network.reach("tcp", THERE4, cgroup=inner)) == DENIED
        assert network.reach("tcp", THERE4)["ok"]
        lbd.reload(policy({"some": ("cgroup", f"{network.cgroup.name}/*n*")}, default="deny"))
        assert network.reach("tcp", THERE4, cgroup=child)["ok"]  # "child/inner" is not its name
    finally:
        child.remove()


# ---- parties ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_addresses_and_groups_of_addresses_are_parties(network, lbd, kind):
    group = {"here": network.group(kind), "far": ("cidr", "fd00::/126")}
    lbd.reload(policy(group, rule("allow", "here", "10.1.0.2/31"), rule("allow", "here", "far"),
                      default="deny"))
    for address, errno in ((THERE4, None), (THERE6, None), (THIRD4, DENIED), (THIRD6, DENIED)):
        result = reach(network.here, "tcp", address, "--timeout", 5000,
                       cgroup=network.of_cgroup(kind))
        assert refused(result) == errno, result


def test_a_group_is_a_party_by_its_addresses_whatever_is_in_between(network, lbd):
    groups = {"here": network.group("netns"), "there": ("netns", network.there.name),
              "third": ("netns", network.third.name)}
    lbd.reload(policy(groups, rule("allow", "here", "there", "tcp"), rule("deny")))
    Server(network.third)
    for address in (THERE4, THERE6):
        assert reach(network.here, "tcp", address)["ok"]
        assert refused(reach(network.here, "udp", address)) == DENIED
    assert refused(reach(network.here, "tcp", THIRD4)) == DENIED
    assert refused(reach(network.there, "tcp", HERE4)) == DENIED  # a rule has a direction


def test_a_service_is_a_party_by_its_vips_and_by_its_backends(network, lbd):
    """A connection is judged alike before and after it was translated. The vip is that of a server
    of its own here: what is asked is who is let through."""
    vip_on_lo(network.third, VIP4)
    network.edge.ip(f"route add {VIP4}/32 via {THIRD4}")
    web = service("web", [VIP4], [backend("there", THERE4, port=PORT)], ports=[8000])
    at_vip = Server(network.third, port=8000)
    text = policy({"here": network.group()}, rule("allow", "here", "service:web"), default="deny")
    lbd.reload(text + f"services = ( {web} );\n" + 'defaults: { check: { type = "none"; }; };\n')
    try:
        assert network.reach("tcp", THERE4)["ok"]
        assert network.reach("tcp", VIP4, port=8000)["ok"]
        assert refused(network.reach("tcp", THERE4, port=PORT + 1)) == DENIED
        assert refused(network.reach("tcp", VIP4, port=8001)) == DENIED
        assert refused(network.reach("udp", THERE4)) == DENIED
    finally:
        lbd.conf.write_text(text.replace("service:web", "any"))
        lbd.ctl("reload", "--break", "web")
        at_vip.process.end()
        network.edge.ip(f"route del {VIP4}/32 via {THIRD4}")


def test_ports_stand_alone_or_in_ranges_of_their_protocol(network, lbd):
    lbd.reload(policy({"here": network.group()},
                      rule("allow", "here", None, "tcp", [f"{PORT}-{PORT + 1}"]),
                      rule("allow", "here", None, "udp", [PORT + 2, PORT + 3]), default="deny"))
    passed = {(way, port) for way in ("tcp", "udp") for port in range(PORT, PORT + 3)
              if network.reach(way, THERE4, port=port)["ok"]}
    assert passed == {("tcp", PORT), ("tcp", PORT + 1), ("udp", PORT + 2)}


@ADDRESSES
def test_icmp_is_a_protocol_of_both_families(network, lbd, address):
    lbd.reload(policy({"here": network.group()}, rule("deny", "here", None, "icmp")))
    for way in ("ping", "raw"):
        errno, _ = refused(network.reach(way, address, *SILENT))
        # The kernel does not hand on what an IPv6 ping socket's packet met.
        assert errno == "EPERM" or (way, errno, address) == ("ping", "ETIMEDOUT", THERE6)
    assert network.reach("udp", address)["ok"]
    lbd.reload(policy({"here": network.group()}, rule("allow", "here", None, "icmp"),
                      default="deny"))
    assert network.reach("ping", address)["ok"]
    assert refused(network.reach("udp", address)) == DENIED


# ---- what passes -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@ADDRESSES
def test_an_answer_passes_where_only_the_question_is_allowed(network, lbd, kind, address):
    lbd.reload(policy({"here": network.group(kind), "there": ("netns", network.there.name)},
                      rule("allow", "here", "there"), default="deny"))
    with network.resident(lbd) if kind == "cgroup" else contextlib.nullcontext():
        for way in ("tcp", "udp", "sendto", "ping"):
            result = reach(network.here, way, address, "--timeout", 5000,
                           cgroup=network.of_cgroup(kind))
            assert result["ok"], result


@ADDRESSES
def test_an_icmp_error_that_belongs_to_it_passes(network, lbd, address):
    """Nobody listens there, and that is what the caller hears."""
    lbd.reload(policy({"here": network.group()}, rule("allow", "here", None, "udp"),
                      default="deny"))
    assert refused(network.reach("udp", address, port=9)) == ("ECONNREFUSED", "answer")


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_who_listens_is_judged_too(network, lbd, way):
    """From outside, from a container in no group, and from one in no group that is named."""
    server = Server(network.here, port=PORT + 5, cgroup=network.cgroup)
    askers = {network.client: CLIENT4, network.third: THIRD4}
    try:
        for allowed, source in askers.items():
            lbd.reload(policy({"here": network.group()}, rule("allow", source, "here", way),
                              default="deny"))
            for asker in askers:
                patience = 5000 if asker is allowed else 300
                result = reach(asker, way, HERE4, "--timeout", patience, port=PORT + 5)
                assert result["ok"] == (asker is allowed), (asker.label, result)
                assert server.heard(result) == (asker is allowed)
    finally:
        server.process.end()


def test_what_is_in_no_group_is_not_touched(network, lbd):
    lbd.reload(policy({"here": network.group(), "batch": ("netns", network.third.name)},
                      default="deny"))
    for asker in (network.edge, network.client):  # the host itself, and who is routed through it
        for way in ("tcp", "udp", "ping"):
            result = reach(asker, way, THERE4, "--timeout", 5000)
            assert result["ok"], (asker.label, result)


@pytest.mark.parametrize("kind", KINDS)
def test_inside_one_namespace_nothing_is_judged(network, lbd, kind):
    lbd.reload(policy({"here": network.group(kind)}, default="deny"))
    server = Server(network.here, port=PORT + 6, cgroup=network.of_cgroup(kind))
    try:
        for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", HERE4, HERE6):
            for way in ("tcp", "udp"):
                result = reach(network.here, way, address, "--timeout", 5000, port=PORT + 6,
                               cgroup=network.of_cgroup(kind))
                assert result["ok"], (kind, address, result)
    finally:
        server.process.end()


# ---- sockets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("word, way", [("raw", "raw"), ("ping", "ping"), ("mptcp", "mptcp"),
                                       ("tcp", "tcp"), ("udp", "udp"), ("other", "udplite")])
@ADDRESSES
def test_a_socket_of_a_denied_kind_is_not_made(network, lbd, word, way, address):
    lbd.reload(policy({"here": network.group()},
                      sockets=[f'{{ group = "here"; deny = [ "{word}" ]; }}']))
    assert refused(network.reach(way, address)) == ("EPERM", "socket")
    assert network.reach("udp" if word == "tcp" else "tcp", address)["ok"]


@pytest.mark.parametrize("word, address", [("ipv4", THERE4), ("ipv6", THERE6)])
def test_a_family_can_be_denied(network, lbd, word, address):
    lbd.reload(policy({"here": network.group()},
                      sockets=[f'{{ group = "here"; deny = [ "{word}" ]; }}']))
    for way in ("tcp", "udp", "raw"):
        assert refused(network.reach(way, address)) == ("EPERM", "socket")
    assert network.reach("tcp", THERE6 if address == THERE4 else THERE4)["ok"]


@pytest.mark.parametrize("allowed, source, port, passes", [
    (f"{PORT + 10}-{PORT + 11}", HERE4, PORT + 11, True),
    (f"{PORT + 10}-{PORT + 11}", HERE6, PORT + 12, False),
    (f"{PORT + 10}-{PORT + 11}", HERE4, 0, True),        # the kernel picks one
    (HERE4, HERE4, PORT + 12, True),
    (HERE4, HERE6, PORT + 12, False),
    (HERE4, "0.0.0.0", PORT + 12, False),                # every address is more than this one
    ("127.0.0.0/8", HERE4, PORT + 12, False),
    (f"[{HERE6}]:{PORT + 10}", HERE6, PORT + 10, True),
    (f"[{HERE6}]:{PORT + 10}", HERE6, PORT + 11, False)])
@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_a_group_binds_to_what_its_list_names(network, lbd, way, allowed, source, port, passes):
    lbd.reload(policy({"here": network.group()},
                      sockets=[f'{{ group = "here"; bind = [ "{allowed}" ]; }}']))
    result = network.reach(way, THERE6 if ":" in source else THERE4, "--from", source, "--port",
                           port, "--timeout", 5000)
    assert refused(result) == (None if passes else ("EPERM", "socket"))


def test_an_entry_of_sockets_is_counted_and_named(network, lbd):
    lbd.reload(policy({"here": network.group()},
                      sockets=['{ group = "here"; deny = [ "raw", "ping" ]; }']))
    for way in ("raw", "ping"):
        network.reach(way, THERE4)
    assert rule_of(lbd, line_of(lbd, 'deny = [ "raw"'))["refused"] == 2
    number = line_of(lbd, 'deny = [ "raw"')
    wait_for(lambda: re.search(rf"refused: a socket of .*lb\.conf:{number} ",
                               lbd.process.output()), "the events")


# ---- identity of a socket --------------------------------------------------------------------


def test_a_socket_of_a_namespace_is_its_namespace_s_wherever_its_owner_is(network, lbd):
    """This process is in no cgroup of ours, nor in that namespace any more."""
    lbd.reload(policy({"here": network.group("netns")}, default="deny"))
    with network.here.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        with pytest.raises(PermissionError):
            sock.connect((THERE4, PORT))


def test_what_leaves_by_the_veth_of_a_member_is_judged_as_its(network, lbd):
    """Who is in its namespace but not in its cgroup has no socket of the group: the veth knows. So
    has a socket that is older than its process is in the cgroup."""
    lbd.reload(policy({"here": network.group()}, default="deny"))
    older = Reach(network.here, "udp", THERE4, "--pause", "--after", "socket", *SILENT).paused()
    with network.resident(lbd):
        assert not reach(network.here, "tcp", THERE4, *SILENT)["ok"]
        network.cgroup.add(older.pid)
        result = older.go_on()
        assert not result["ok"] and not network.server.saw(result)
    assert reach(network.here, "tcp", THERE4, "--timeout", 5000)["ok"]
