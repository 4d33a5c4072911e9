# SPDX-License-Identifier: GPL-2.0-or-later
"""lbctl doctor. Each silent killer is caused and seen to kill; doctor names it; the command that
it prints is run as it stands, and then traffic flows again and doctor has nothing to say."""

import contextlib
import ctypes
import ctypes.util
import json
import os
import subprocess

import pytest

from balancer import LBCTL, backend, config, service
from lab import Lab, wait_for
from topology import DSR4, DSR6, DSRS, VIP4, VIP6, VIPS, FrontClient
from traffic import EchoServer, curl, udp_ask

NEAR4, NEAR6 = "192.0.2.50", "2001:db8:1::50"  # in the network of front0
ECHO_PORT = 7007


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    """c2 has the DSR vips, as it must; c3 answers UDP too."""
    c2, c3 = bridged.lab["c2"], bridged.lab["c3"]
    c2.ip(f"addr add {DSR4}/32 dev lo", f"addr add {DSR6}/128 dev lo")
    EchoServer(c3, *bridged.addresses(3), port=ECHO_PORT)
    return bridged


def services_of(network):
    """Each container serves in a way of its own."""
    one, two, three = (network.addresses(number) for number in (1, 2, 3))
    return config(
        service("web", VIPS, [backend("c1", *one)]),
        service("dsr", DSRS, [backend("c2", *two, port=None)], ports=[8080], forward="dsr"),
        service("near", (NEAR4, NEAR6), [backend("c3", *three)]),
        service("echo", VIPS, [backend("c3", *three, port=ECHO_PORT)], protocol="udp", ports=[53]))


class Doctor:
    """A running balancer, its doctor, and the edge host whose shell mends."""

    def __init__(self, network, balancer):
        self.network, self.edge, self.client = network, network.edge, network.client
        self.balancer = balancer

    def findings(self, check=None):
        result = self.balancer.ctl("--json", "doctor", check=False)
        assert result.stderr == ""
        found = json.loads(result.stdout)["findings"]
        assert result.returncode == (1 if found else 0)
        for finding in found:
            assert set(finding) == {"check", "object", "text", "command"}
        return [finding for finding in found if check in (None, finding["check"])]

    def finding(self, check, command):
        (found,) = self.findings()
        assert (found["check"], found["command"]) == (check, command)
        return found

    def mend(self, command):
        self.edge.run("sh", "-ec", command)

    def mended(self, check, command):
        """That one thing hurts, and no longer once its command was run."""
        self.finding(check, command)
        self.mend(command)
        assert self.findings() == []

    def enter(self, name):
        return f"nsenter --net=/run/netns/{self.network.lab[name].name} "

    def serves(self, vip, port=80):
        return bool(curl(self.client, vip, port, check=False, seconds=1))

    def serves_soon(self, vip, port=80):
        wait_for(lambda: self.serves(vip, port), f"an answer from {vip}")


@pytest.fixture(name="module_doctor", scope="module")
def fixture_module_doctor(network, make_module_balancer):
    network.edge.ip(f"addr add {NEAR4}/32 dev lo",
                    f"addr add {NEAR6}/128 dev front0 nodad preferred_lft 0")
    doctor = Doctor(network, make_module_balancer(network.edge).start(services_of(network)))
    for name in ("web/c1", "dsr/c2", "near/c3", "echo/c3"):
        doctor.balancer.wait_state(name, "up")
    return doctor


@pytest.fixture(name="doctor")
def fixture_doctor(module_doctor):
    """Every test finds a host where nothing hurts, and leaves one."""
    assert module_doctor.findings() == []
    yield module_doctor
    assert module_doctor.findings() == []


def test_a_healthy_host_gets_one_line(doctor):
    result = doctor.balancer.ctl("doctor")
    assert result.returncode == 0
    assert result.stdout == ("nothing that would hurt: 1 interface and 8 backend addresses "
                             "looked at\n")
    for vip in (VIP4, VIP6, NEAR4, NEAR6):
        assert doctor.serves(vip)
    for vip in DSRS:
        assert doctor.serves(vip, 8080)


def test_text_has_the_object_the_reason_and_the_command(doctor):
    doctor.network.lab["c1"].ethtool("eth0", "gro", "off")
    result = doctor.balancer.ctl("doctor", check=False)
    command = doctor.enter("c1") + "ethtool -K eth0 gro on"
    assert result.returncode == 1
    first, second = result.stdout.splitlines()
    assert first.startswith("v1: GRO is off at the container's end (eth0, backend web/c1)")
    assert second == "    " + command
    doctor.mend(command)


# ---- veth ends ------------------------------------------------------------------------------


def test_gro_off_at_the_containers_end(doctor):
    doctor.network.lab["c1"].ethtool("eth0", "gro", "off")
    assert not doctor.serves(VIP4)
    doctor.mended("napi", doctor.enter("c1") + "ethtool -K eth0 gro on")
    assert doctor.serves(VIP4)


def test_partial_checksums_of_a_veth_client(doctor):
    doctor.client.ethtool("eth0", "tx", "on")
    assert not doctor.serves(VIP4)
    doctor.mended("partial_checksum", doctor.enter("client") + "ethtool -K eth0 tx off")
    assert doctor.serves(VIP4)


def test_generic_xdp_needs_neither_napi_nor_whole_checksums(routed, make_balancer):
    doctor = Doctor(routed, make_balancer(routed.edge))
    doctor.balancer.start(config(service("web", VIPS, [backend("c1", *routed.addresses(1))]),
                                 interfaces=('"front0"; mode = "generic";',)))
    doctor.balancer.wait_state("web/c1", "up")
    try:
        doctor.client.ethtool("eth0", "tx", "on")
        routed.lab["c1"].ethtool("eth0", "gro", "off")
        assert doctor.serves(VIP4)
        assert doctor.serves(VIP6)
        assert doctor.findings() == []
    finally:
        doctor.client.ethtool("eth0", "tx", "off")
        routed.lab["c1"].ethtool("eth0", "gro", "on")


def test_frames_too_big_for_a_containers_port(doctor):
    def answered(size):
        try:
            return udp_ask(doctor.client, VIP4, 53, "x" * size, seconds=1)[0] == "c3"
        except TimeoutError:
            return False

    assert answered(1400)
    doctor.edge.ip("link set v3 mtu 1300")
    doctor.network.lab["c3"].ip("link set eth0 mtu 1300")
    assert answered(1200)
    assert not answered(1400)
    doctor.mended("mtu", "ip link set dev v3 mtu 1500 && " + doctor.enter("c3") +
                  "ip link set dev eth0 mtu 1500")
    assert answered(1400)


# ---- who answers for a vip ------------------------------------------------------------------


def forget(doctor):
    """The client asks anew who has an address."""
    doctor.client.ip("neigh flush dev eth0")


@pytest.mark.parametrize("vip, remove, command", [
    (NEAR4, f"addr del {NEAR4}/32 dev lo", f"ip addr add {NEAR4}/32 dev lo"),
    (NEAR6, f"addr del {NEAR6}/128 dev front0",
     f"ip addr add {NEAR6}/128 dev front0 nodad preferred_lft 0"),
])
def test_nobody_answers_for_a_vip(doctor, vip, remove, command):
    doctor.edge.ip(remove)
    forget(doctor)
    assert not doctor.serves(vip)
    doctor.mended("vip_unanswered", command)
    doctor.serves_soon(vip)


def test_arp_ignore_keeps_a_vip_on_lo_silent(doctor):
    doctor.edge.sysctl("net.ipv4.conf.front0.arp_ignore=1")
    forget(doctor)
    assert not doctor.serves(NEAR4)
    doctor.mended("vip_unanswered", f"ip addr add {NEAR4}/32 dev front0")
    doctor.serves_soon(NEAR4)
    doctor.edge.sysctl("net.ipv4.conf.front0.arp_ignore=0")
    doctor.edge.ip(f"addr del {NEAR4}/32 dev front0")


def test_ipv6_does_not_answer_for_a_vip_on_lo(doctor):
    doctor.edge.ip(f"addr del {NEAR6}/128 dev front0", f"addr add {NEAR6}/128 dev lo")
    forget(doctor)
    assert not doctor.serves(NEAR6)
    doctor.mended("vip_unanswered", f"ip addr add {NEAR6}/128 dev front0 nodad preferred_lft 0")
    doctor.serves_soon(NEAR6)
    doctor.edge.ip(f"addr del {NEAR6}/128 dev lo")


def test_a_proxy_answers_for_a_vip(doctor):
    edge = doctor.edge
    edge.ip(f"addr del {NEAR4}/32 dev lo", f"addr del {NEAR6}/128 dev front0",
            f"neigh add proxy {NEAR4} dev front0", f"neigh add proxy {NEAR6} dev front0")
    # Not yet: ARP's proxy speaks only for what leaves by another interface, IPv6's when allowed.
    assert {found["object"] for found in doctor.findings("vip_unanswered")} == {NEAR4, NEAR6}
    edge.ip(f"route add {NEAR4}/32 dev br0")
    edge.sysctl("net.ipv6.conf.front0.proxy_ndp=1")
    forget(doctor)
    assert doctor.findings() == []
    doctor.serves_soon(NEAR4)
    doctor.serves_soon(NEAR6)
    edge.ip(f"route del {NEAR4}/32 dev br0", f"neigh del proxy {NEAR4} dev front0",
            f"neigh del proxy {NEAR6} dev front0", f"addr add {NEAR4}/32 dev lo",
            f"addr add {NEAR6}/128 dev front0 nodad preferred_lft 0")
    edge.sysctl("net.ipv6.conf.front0.proxy_ndp=0")


# ---- forwarding -----------------------------------------------------------------------------


@pytest.mark.parametrize("vip, sysctl", [(VIP4, "net.ipv4.conf.v1.forwarding"),
                                         (VIP6, "net.ipv6.conf.v1.forwarding")])
def test_forwarding_off_at_the_port_of_a_nat_backend(doctor, vip, sysctl):
    doctor.edge.sysctl(sysctl + "=0")
    before = doctor.balancer.verdicts()["DROP_REPLY_FORWARDING"]
    assert not doctor.serves(vip)
    assert doctor.balancer.verdicts()["DROP_REPLY_FORWARDING"] > before
    doctor.mended("forwarding", f"sysctl -w {sysctl}=1")
    assert doctor.serves(vip)


def test_forwarding_of_the_bridge_is_not_asked_for_nat(doctor):
    doctor.edge.sysctl("net.ipv4.conf.br0.forwarding=0")
    assert doctor.serves(VIP4)
    assert not doctor.serves(DSR4, 8080)
    doctor.mended("forwarding", "sysctl -w net.ipv4.conf.br0.forwarding=1")
    assert doctor.serves(DSR4, 8080)


def test_ipv4_forwarding_off_for_the_whole_host(doctor):
    doctor.edge.sysctl("net.ipv4.ip_forward=0")
    assert not doctor.serves(VIP4)
    assert not doctor.serves(DSR4, 8080)
    doctor.mended("forwarding", "sysctl -w net.ipv4.ip_forward=1")
    assert doctor.serves(VIP4)
    assert doctor.serves(DSR4, 8080)


@pytest.mark.parametrize("accept_ra, command", [
    (0, "sysctl -w net.ipv6.conf.all.forwarding=1"),
    (1, "sysctl -w net.ipv6.conf.front0.accept_ra=2 net.ipv6.conf.all.forwarding=1"),
])
def test_ipv6_forwarding_off_for_the_whole_host(doctor, accept_ra, command):
    doctor.edge.sysctl(f"net.ipv6.conf.front0.accept_ra={accept_ra}",
                       "net.ipv6.conf.all.forwarding=0")
    assert not doctor.serves(VIP6)
    assert not doctor.serves(DSR6, 8080)
    doctor.mended("forwarding", command)
    assert doctor.serves(VIP6)
    assert doctor.serves(DSR6, 8080)


# ---- reverse path filtering and the way back ------------------------------------------------


@contextlib.contextmanager
def another_default_route(doctor, name):
    """The container is in a second network too, and answers the world by that."""
    container, lab = doctor.network.lab[name], doctor.network.lab
    other = lab.namespace("other")
    try:
        lab.veth(container, "eth1", other, "eth0")
        container.ip("addr add 10.9.0.2/24 dev eth1", "addr add fd09::2/64 dev eth1 nodad",
                     "link set eth1 up", "route replace default via 10.9.0.1 dev eth1",
                     "route del default via fd00::1", "route add default via fd09::1 dev eth1")
        other.ip("addr add 10.9.0.1/24 dev eth0", "addr add fd09::1/64 dev eth0 nodad",
                 "link set eth0 up")
        yield container
    finally:
        lab.namespace_remove("other")
        container.ip("route replace default via 10.1.0.1 dev eth0",
                     "route replace default via fd00::1 dev eth0")
        for family, source in (("-4", "10.1.0.2"), ("-6", "fd00::2")):
            container.run("ip", family, "rule", "del", "from", source, check=False)
            container.run("ip", family, "route", "flush", "table", "60699", check=False)


@pytest.mark.parametrize("strict, check", [(1, "rp_filter"), (0, "way_back")])
def test_a_nat_container_answers_past_this_host(doctor, strict, check):
    with another_default_route(doctor, "c1") as c1:
        c1.sysctl(f"net.ipv4.conf.eth0.rp_filter={strict}")
        assert not doctor.serves(VIP4)
        assert not doctor.serves(VIP6)
        enter = doctor.enter("c1")
        commands = {
            f"{enter}ip rule add from 10.1.0.2 lookup 60699 && "
            f"{enter}ip route add default via 10.1.0.1 dev eth0 table 60699": check,
            f"{enter}ip -6 rule add from fd00::2 lookup 60699 && "
            f"{enter}ip -6 route add default via fd00::1 dev eth0 table 60699": "way_back"}
        found = doctor.findings()
        assert {finding["command"]: finding["check"] for finding in found} == commands
        for command in commands:
            doctor.mend(command)
        assert doctor.findings() == []
        assert doctor.serves(VIP4)
        assert doctor.serves(VIP6)
        c1.sysctl("net.ipv4.conf.eth0.rp_filter=0")


def filtered(host):
    """Packets that reverse path filtering dropped."""
    names, values = [line.split() for line in host.run("cat", "/proc/net/netstat").stdout.split(
        "\n") if line.startswith("TcpExt:")]
    return int(dict(zip(names, values))["IPReversePathFilter"])


@pytest.mark.parametrize("which", ["eth0", "all"])
def test_strict_filtering_at_a_dsr_container_with_another_default_route(doctor, which):
    with another_default_route(doctor, "c2") as c2:
        assert doctor.findings() == []  # another way is fine for DSR
        c2.sysctl(f"net.ipv4.conf.{which}.rp_filter=1")
        before = filtered(c2)
        doctor.serves(DSR4, 8080)
        dropped = filtered(c2)
        assert dropped > before
        doctor.mended("rp_filter",
                      doctor.enter("c2") + "sysctl -w net.ipv4.conf.eth0.rp_filter=2")
        dropped = filtered(c2)
        doctor.serves(DSR4, 8080)
        assert filtered(c2) == dropped
        c2.sysctl("net.ipv4.conf.eth0.rp_filter=0", "net.ipv4.conf.all.rp_filter=0")


@pytest.mark.parametrize("vip, route, command", [
    (VIP4, "default via 10.1.0.1", "ip route add default via 10.1.0.1 dev eth0"),
    (VIP6, "default via fd00::1", "ip -6 route add default via fd00::1 dev eth0"),
])
def test_a_container_without_a_route_to_clients(doctor, vip, route, command):
    doctor.network.lab["c1"].ip(f"route del {route}")
    assert not doctor.serves(vip)
    doctor.mended("way_back", doctor.enter("c1") + command)
    assert doctor.serves(vip)


def test_strict_filtering_of_a_dsr_containers_replies_on_this_host(doctor):
    doctor.edge.ip("route add default via 192.0.2.10")
    doctor.edge.sysctl("net.ipv4.conf.br0.rp_filter=1")
    assert not doctor.serves(DSR4, 8080)
    assert doctor.serves(VIP4)  # NAT's replies never come to that filter
    doctor.mended("rp_filter", "sysctl -w net.ipv4.conf.br0.rp_filter=2")
    assert doctor.serves(DSR4, 8080)
    doctor.edge.sysctl("net.ipv4.conf.br0.rp_filter=0")
    doctor.edge.ip("route del default via 192.0.2.10")


@pytest.mark.parametrize("strictness", [1, 2])
def test_filtering_where_the_host_has_no_route_to_the_vip_at_all(doctor, strictness):
    doctor.edge.sysctl(f"net.ipv4.conf.all.rp_filter={strictness}")
    assert not doctor.serves(DSR4, 8080)
    doctor.mended("rp_filter",
                  "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.br0.rp_filter=0")
    assert doctor.serves(DSR4, 8080)


def test_strict_filtering_on_the_front_interface_hurts_nobody(doctor):
    doctor.edge.sysctl("net.ipv4.conf.front0.rp_filter=1")
    assert doctor.serves(VIP4)
    assert doctor.serves(DSR4, 8080)
    assert doctor.findings() == []
    doctor.edge.sysctl("net.ipv4.conf.front0.rp_filter=0")


@pytest.mark.parametrize("strict, more", [(0, ""), (1, " net.ipv4.conf.br0.rp_filter=2")])
def test_dsr_replies_from_a_vip_that_is_this_hosts_own(doctor, strict, more):
    doctor.edge.sysctl(f"net.ipv4.conf.br0.rp_filter={strict}")
    doctor.edge.ip(f"addr add {DSR4}/32 dev lo", f"addr add {DSR6}/128 dev lo")
    assert not doctor.serves(DSR4, 8080)
    assert doctor.serves(DSR6, 8080)  # IPv6 has no such check
    doctor.mended("dsr_source", "sysctl -w net.ipv4.conf.br0.accept_local=1" + more)
    assert doctor.serves(DSR4, 8080)
    doctor.edge.ip(f"addr del {DSR4}/32 dev lo", f"addr del {DSR6}/128 dev lo")
    doctor.edge.sysctl("net.ipv4.conf.br0.accept_local=0", "net.ipv4.conf.br0.rp_filter=0")


@pytest.mark.parametrize("vip, length", [(DSR4, 32), (DSR6, 128)])
def test_a_dsr_container_without_the_vip(doctor, vip, length):
    doctor.network.lab["c2"].ip(f"addr del {vip}/{length} dev lo")
    assert not doctor.serves(vip, 8080)
    doctor.mended("dsr_vip", doctor.enter("c2") + f"ip addr add {vip}/{length} dev lo")
    assert doctor.serves(vip, 8080)


# ---- published ports ------------------------------------------------------------------------


@pytest.mark.parametrize("tool, host, target", [("iptables", "192.0.2.1", "10.1.0.2:8080"),
                                                ("ip6tables", "2001:db8:1::1", "[fd00::2]:8080")])
def test_a_published_port_of_a_balanced_container(doctor, tool, host, target):
    rule = ["!", "-i", "br0", "-p", "tcp", "-m", "tcp", "--dport", "8081", "-m", "comment",
            "--comment", "a 'rule' of \"$(touch y)\"", "-j", "DNAT", "--to-destination", target]
    doctor.edge.run(tool, "-t", "nat", "-A", "PREROUTING", *rule)
    # Another port and another protocol are nobody's business.
    doctor.edge.run(tool, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8082", "-j",
                    "DNAT", "--to-destination", target.replace("8080", "8079"))
    doctor.edge.run(tool, "-t", "nat", "-A", "PREROUTING", "-p", "udp", "--dport", "8081", "-j",
                    "DNAT", "--to-destination", target)
    assert not doctor.serves(host, 8081)
    (found,) = doctor.findings()
    assert (found["check"], found["object"]) == ("published_port", "web/c1")
    assert "of port 8081" in found["text"]
    assert found["command"].startswith(f"{tool} -t nat -D PREROUTING ! -i br0 -p tcp ")
    doctor.mend(found["command"])
    assert doctor.findings() == []
    assert not os.path.exists("y")
    assert "--dport 8082" in doctor.edge.run(f"{tool}-save").stdout
    doctor.edge.run(tool, "-t", "nat", "-F")


# ---- a foreign program, and no daemon -------------------------------------------------------


@pytest.fixture(name="front")
def fixture_front(ground, tmp_path):  # pylint: disable=unused-argument
    lab = Lab(tmp_path)
    try:
        yield FrontClient(lab)
    finally:
        lab.close()


class ForeignProgram:
    """`return XDP_PASS;`, of which edgelb knows nothing."""

    INSTRUCTIONS = bytes.fromhex("b700000002000000" "9500000000000000")
    BPF_PROG_TYPE_XDP, BPF_XDP = 6, 37
    FLAGS = {"xdpgeneric": 1 << 1, "xdpdrv": 1 << 2}

    def __init__(self, host):
        self.host = host
        self.libbpf = ctypes.CDLL(ctypes.util.find_library("bpf"), use_errno=True)
        self.fd = self.libbpf.bpf_prog_load(self.BPF_PROG_TYPE_XDP, b"stranger", b"GPL",
                                            self.INSTRUCTIONS, ctypes.c_size_t(2), None)
        assert self.fd >= 0

    def attach(self, how, dev):
        with self.host.entered():
            ifindex = self.libbpf.if_nametoindex(dev.encode())
            if how == "link":
                done = self.libbpf.bpf_link_create(self.fd, ifindex, self.BPF_XDP, None)
            else:
                done = self.libbpf.bpf_xdp_attach(ifindex, self.fd, self.FLAGS[how], None)
        assert done >= 0, os.strerror(-done)


def doctor_of(host, *args):
    return host.run(LBCTL, "--socket", "/nonexistent/lbd.sock", "--json", "doctor", *args,
                    check=False)


@pytest.mark.parametrize("how, command", [
    ("xdpdrv", "ip link set dev front0 xdp off"),
    ("xdpgeneric", "ip link set dev front0 xdpgeneric off"),
    ("link", "bpftool link detach id "),
])
def test_a_foreign_program_on_a_front_is_found_without_a_daemon(front, make_balancer, how,
                                                                command):
    lbd = make_balancer(front.edge)
    lbd.conf.write_text(config(service("web", [VIP4], [backend("c1", "192.0.2.10")])))
    assert doctor_of(front.edge, lbd.conf).returncode == 0
    ForeignProgram(front.edge).attach(how, "front0")
    assert "front0" in lbd.start_refused()
    result = doctor_of(front.edge, lbd.conf)
    assert result.returncode == 1
    (found,) = json.loads(result.stdout)["findings"]
    assert (found["check"], found["object"]) == ("foreign_xdp", "front0")
    assert "stranger" in found["text"]
    assert found["command"].startswith(command)
    front.edge.run("sh", "-ec", found["command"])
    result = doctor_of(front.edge, lbd.conf)
    assert (result.returncode, json.loads(result.stdout)) == (0, {"findings": []})
    lbd.start()


def test_with_a_file_backends_are_found_that_nobody_has_talked_to(front):
    lab, edge = front.lab, front.edge
    container = lab.namespace("c1")
    lab.veth(edge, "v1", container, "eth0")
    edge.ip("link add br0 type bridge mcast_snooping 0", "addr add 10.1.0.1/24 dev br0",
            "link set br0 up", "link set v1 master br0 up")
    container.ip("addr add 10.1.0.2/24 dev eth0", "link set eth0 up",
                 "route add default via 10.1.0.1")
    container.ethtool("eth0", "gro", "off")
    conf = lab.tmp / "lb.conf"
    conf.write_text(config(service("web", [VIP4], [backend("c1", "10.1.0.2")])))
    (found,) = json.loads(doctor_of(edge, conf).stdout)["findings"]
    assert (found["check"], found["object"]) == ("napi", "v1")


def test_a_containers_name_for_its_interface_is_no_shell_code(front, tmp_path):
    evil = "e'$(>x);'"
    container = front.lab.namespace("c1")
    front.edge.run("ip", "link", "add", "v1", "type", "veth", "peer", "name", evil, "netns",
                   container.name)
    front.edge.ip("addr add 10.1.0.1/24 dev v1", "link set v1 up")
    for words in (["addr", "add", "10.1.0.2/24", "dev", evil], ["link", "set", evil, "up"],
                  ["route", "add", "default", "via", "10.1.0.1"]):
        container.run("ip", *words)
    container.ethtool(evil, "gro", "off")
    conf = front.lab.tmp / "lb.conf"
    conf.write_text(config(service("web", [VIP4], [backend("c1", "10.1.0.2")])))
    (found,) = json.loads(doctor_of(front.edge, conf).stdout)["findings"]
    assert found["command"] == (f"nsenter --net={container.path} ethtool -K "
                                r"'e'\''$(>x);'\''' gro on")
    front.edge.run("sh", "-ec", found["command"], cwd=tmp_path)
    assert json.loads(doctor_of(front.edge, conf).stdout) == {"findings": []}
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_looked_at_is_said(front):
    conf = front.lab.tmp / "lb.conf"
    conf.write_text(config(service("web", [VIP4], [backend("c1", "192.0.2.77")])))
    result = doctor_of(front.edge, conf)
    assert result.stderr == "web/c1: not looked at: no neighbour for 192.0.2.77 on front0\n"
    assert (result.returncode, json.loads(result.stdout)) == (0, {"findings": []})


def test_another_namespace_than_the_daemons_is_refused(front):
    conf = front.lab.tmp / "lb.conf"
    conf.write_text(config(service("web", [VIP4], [backend("c1", "10.1.0.2")])))
    result = doctor_of(front.client, conf)
    assert result.returncode == 1
    assert "front0 is not in this network namespace" in result.stderr


def test_an_interface_of_the_same_name_elsewhere_is_another(doctor):
    lab = doctor.network.lab
    other = lab.namespace("elsewhere")
    other.ip("link add front0 index 77 type veth peer name front1")
    result = other.run(LBCTL, "--socket", doctor.balancer.socket, "doctor", check=False)
    lab.namespace_remove("elsewhere")
    assert result.returncode == 1
    assert "front0 is not in this network namespace" in result.stderr


def test_usage_and_failures_have_their_exit_codes(front, tmp_path):
    assert doctor_of(front.edge).returncode == 3
    assert doctor_of(front.edge, "a", "b").returncode == 2
    assert doctor_of(front.edge, "--all").returncode == 2
    assert doctor_of(front.edge, tmp_path / "missing.conf").returncode == 1
    bad = tmp_path / "bad.conf"
    bad.write_text("version = 1;\nwieght = 2;\n")
    result = doctor_of(front.edge, bad)
    assert result.returncode == 1
    assert 'unknown key "wieght"' in result.stderr


def test_it_must_be_root(front, tmp_path):
    conf = tmp_path / "lb.conf"
    conf.write_text(config(service("web", [VIP4], [backend("c1", "10.1.0.2")])))
    with open(conf, "rb") as file:
        result = subprocess.run(
            front.edge.command("setpriv", "--reuid", "65534", LBCTL, "doctor", "/dev/stdin"),
            stdin=file, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert "doctor must be root" in result.stderr
