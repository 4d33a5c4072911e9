# SPDX-License-Identifier: GPL-2.0-or-later
"""lbctl explain, and replay over live tables: what they say of a packet is what a real one then
does, and asking leaves no trace."""

import ctypes
import json
import mmap
import os
import subprocess

import pytest
from scapy.all import (ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6PacketTooBig, IPerror, IPv6,
                       IPv6ExtHdrFragment, Raw, TCPerror, rdpcap, wrpcap)

from balancer import LBCTL, backend, config, service
from frames import Sniffer, assert_checksums, ip_of, send
from topology import VIP4, VIP6, VIPS

# Nobody's addresses: no stack answers an answer.
NOBODY4, NOBODY6 = "192.0.2.99", "2001:db8:1::99"
FLOWS = range(20000, 20040)
# What links say by themselves while a test looks on, and containers again.
NOISE = ("PASS_NOT_IP", "PASS_PROTOCOL", "PASS_NOT_REPLY", "REDIRECT_REPLY")
TABLES = ("lb_settings", "lb_records", "lb_services", "lb_replies", "lb_slots", "lb_owners",
          "lb_clocks", "lb_backends", "lb_counters", "lb_drops", "lb_records_lost", "lb_rations",
          "lb_fragments", "lb_direct_list", "lb_service_info", "lb_backend_info")


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


def text(network, numbers, extra=""):
    return config(
        service("web", VIPS, [backend(f"c{n}", *network.addresses(n)) for n in numbers],
                extra='idle_timeout = "1h"; ' + extra),
        service("echo", VIPS, [backend(f"c{n}", *network.addresses(n), port=7007)
                               for n in numbers], protocol="udp", ports=[7000]))


@pytest.fixture(name="balanced")
def fixture_balanced(network, lbd):
    return lbd.start(text(network, (1, 2, 3)))


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def explain(lbd, protocol, src, dst, *options):
    return lbd.json("explain", protocol, src, dst, *options)


def step(told, name):
    found = [step for step in told["steps"] if step["step"] == name]
    return found[0] if found else None


def frame_to(network, vip, transport):
    ip = IPv6(src=NOBODY6, dst=vip) if ":" in vip else IP(src=NOBODY4, dst=vip)
    return Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0")) / ip / transport


def nobody(vip):
    return NOBODY6 if ":" in vip else NOBODY4


def received_by(network, transports, vip):
    """Sends a frame with each of the transport headers; the container's number of each source
    port."""
    sniffers = [Sniffer(host) for host in network.servers]
    ports = {transport.sport for transport in transports}
    try:
        for transport in transports:
            send(network.client, frame_to(network, vip, transport))

        def mine(frame):
            return (TCP in frame or UDP in frame) and frame.sport in ports and \
                ip_of(frame).src == nobody(vip)
        found = {}
        for _ in range(2000):
            for number, sniffer in enumerate(sniffers, 1):
                sniffer._read(0.01)  # pylint: disable=protected-access
                found |= {frame.sport: number for frame in sniffer.frames if mine(frame)}
            if len(found) == len(ports):
                return found
        raise AssertionError(f"{len(found)} of {len(ports)} frames came")
    finally:
        for sniffer in sniffers:
            sniffer.sock.close()


def replay(lbd, frames):
    """Over the live tables; one object a frame."""
    wrpcap(str(lbd.dir / "in.pcap"), frames)
    result = lbd.ctl("--json", "replay", lbd.dir / "in.pcap", lbd.dir / "out.pcap")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == len(frames)
    return lines


def dump(lbd, table):
    """As it stands in memory if it can be mapped: some tables are large."""
    path = f"{lbd.pin}/{table}"
    shown = json.loads(subprocess.run(["bpftool", "-j", "map", "show", "pinned", path], check=True,
                                      capture_output=True).stdout)
    if shown["type"] != "array":
        return subprocess.run(["bpftool", "map", "dump", "pinned", path], check=True,
                              capture_output=True).stdout
    fd = ctypes.CDLL("libbpf.so.1").bpf_obj_get(path.encode())
    try:
        size = -(-shown["bytes_value"] // 8) * 8 * shown["max_entries"]
        with mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ) as memory:
            return bytes(memory)
    finally:
        os.close(fd)


def tables(lbd):
    return {name: dump(lbd, name) for name in TABLES}


@pytest.mark.parametrize("vip", VIPS)
@pytest.mark.parametrize("protocol, port", [("tcp", 80), ("udp", 7000)])
def test_it_names_the_backend_that_a_real_packet_then_reaches(network, balanced, vip, protocol,
                                                              port):
    made = TCP if protocol == "tcp" else UDP
    options = {"flags": "S"} if protocol == "tcp" else {}
    transports = [made(sport=sport, dport=port, **options) for sport in FLOWS]
    lines = replay(balanced, [frame_to(network, vip, transport) for transport in transports])
    assert {(line["verdict"], line["vip"]) for line in lines} == \
        {("REDIRECT_NAT", f"{endpoint(vip, port)}/{protocol}")}
    real = received_by(network, transports, vip)
    assert dict(zip(FLOWS, (int(line["backend"][1:]) for line in lines))) == real
    assert set(real.values()) == {1, 2, 3}
    for sport in FLOWS[:4]:
        told = explain(balanced, protocol, endpoint(nobody(vip), sport), endpoint(vip, port))
        assert (told["verdict"], told["backend"]) == ("REDIRECT_NAT", f"c{real[sport]}")
        assert step(told, "flow")["pick"] == "settled"


def test_in_a_slot_that_moves_recorded_flows_and_older_ones_are_told_apart(network, balanced):
    """Recorded: SYNs since the motion began, to the new owner. Others: to the previous one."""
    live = FLOWS[:16]
    balanced.reload(text(network, (1, 2, 3), 'slow_start = "0s"; '))
    balanced.json("drain", "web/c1")
    moved = [sport for sport in live if step(
        explain(balanced, "tcp", endpoint(NOBODY4, sport), endpoint(VIP4, 80)), "motion")["moving"]]
    assert moved, "a drained backend leaves slots in motion"
    new = moved[:len(moved) // 2]
    received_by(network, [TCP(sport=sport, dport=80, flags="S", seq=1000) for sport in new], VIP4)
    received_by(network, [TCP(sport=sport, dport=80, flags="A", seq=1001) for sport in new], VIP4)
    said = {}
    for sport in moved:
        told = explain(balanced, "tcp", endpoint(NOBODY4, sport), endpoint(VIP4, 80), "--flags",
                       "ACK")
        flow = step(told, "flow")
        assert flow["pick"] == ("record" if sport in new else "before"), told
        assert flow["record"] == ("confirmed" if sport in new else None)
        motion = step(told, "motion")
        assert told["backend"] == (motion["owner"] if sport in new else "c1")
        assert motion["previous"] == "c1" != motion["owner"]
        said[sport] = int(told["backend"][1:])
    syn = explain(balanced, "tcp", endpoint(NOBODY4, moved[-1]), endpoint(VIP4, 80))
    assert step(syn, "flow")["pick"] == "new"
    assert said == received_by(
        network, [TCP(sport=sport, dport=80, flags="A", seq=1001) for sport in moved], VIP4)


def every_kind(network):
    """Frames that would each change some table."""
    for sport in (*FLOWS[:8], *range(30000, 30020)):
        for flags in ("S", "A", "FA", "R"):
            yield frame_to(network, VIP4, TCP(sport=sport, dport=80, flags=flags))
    first = frame_to(network, VIP4, UDP(sport=1, dport=7000) / Raw(bytes(64)))
    first[IP].flags, first[IP].id = "MF", 7
    later = frame_to(network, VIP4, Raw(bytes(64)))
    later[IP].frag, later[IP].proto, later[IP].id = 9, 17, 7
    yield from (first, later)
    yield frame_to(network, VIP6, IPv6ExtHdrFragment(id=7, m=1, offset=0) /
                   UDP(sport=1, dport=7000) / Raw(bytes(64)))
    yield frame_to(network, VIP6, ICMPv6PacketTooBig(mtu=1280) /
                   IPv6(src=VIP6, dst=NOBODY6) / TCP(sport=80, dport=20000) / Raw(bytes(64)))
    yield frame_to(network, VIP4, ICMP(type=3, code=4, nexthopmtu=1200) /
                   IP(src=VIP4, dst=NOBODY4) / TCP(sport=80, dport=20000))
    yield frame_to(network, VIP4, ICMP())
    yield frame_to(network, VIP4, TCP(sport=1, dport=81))


def quiet_verdicts(lbd):
    return {name: count for name, count in lbd.verdicts().items() if name not in NOISE}


def test_asking_changes_nothing(network, balanced):
    """No counter, record, clock, fragment, ration, verdict, while slots move and flows have records
    of all kinds."""
    balanced.json("drain", "web/c1")
    received_by(network, [TCP(sport=sport, dport=80, flags="S") for sport in FLOWS], VIP4)
    verdicts = quiet_verdicts(balanced)
    balanced.stop()  # it settles slots and counts
    before = tables(balanced)
    lines = replay(balanced, list(every_kind(network)))
    assert {line["verdict"] for line in lines} >= {"REDIRECT_NAT", "DROP_FRAGMENT",
                                                   "PASS_NOT_SERVICE"}
    for words in (("tcp", endpoint(NOBODY4, FLOWS[0]), endpoint(VIP4, 80)),
                  ("tcp", endpoint(NOBODY4, FLOWS[1]), endpoint(VIP4, 80), "--flags", "FIN,ACK"),
                  ("udp", endpoint(NOBODY6, 1), endpoint(VIP6, 7000)),
                  ("udp", endpoint(NOBODY6, 1), endpoint(VIP6, 7001)),
                  ("tcp", endpoint(network.addresses(1)[0], 8080), endpoint(NOBODY4, 4000))):
        balanced.ctl("explain", *words)
    after = tables(balanced)
    assert [name for name in before if before[name] != after[name]] == []
    balanced.start()
    assert quiet_verdicts(balanced) == verdicts


def test_replay_gives_what_leaves_for_every_kind(network, balanced):
    """What is written is what a container, or the client, would see: right in scapy's eyes."""
    frames = list(every_kind(network))[-7:]
    tagged = frame_to(network, VIP4, TCP(sport=1, dport=80, flags="S"))
    frames.append(Ether(src=tagged.src, dst=tagged.dst) / Dot1Q(vlan=5) / tagged[IP])
    lines = replay(balanced, frames)
    assert [line["verdict"] for line in lines][:2] == ["REDIRECT_NAT", "DROP_FRAGMENT"]
    assert [line["verdict"] for line in lines][2:5] == ["REDIRECT_NAT"] * 3
    assert lines[-1]["verdict"] == "REDIRECT_NAT"
    assert lines[4]["vip"] == f"{VIP4}:80/tcp"  # that of the flow that the error is about
    left = rdpcap(str(balanced.dir / "out.pcap"))
    assert len(left) == sum(line["action"] in ("tx", "redirect") for line in lines)
    assert [int(frame[IP].dst.split(".")[0]) for frame in left if IP in frame][0] == 10
    error = next(frame for frame in left if ICMP in frame and frame[ICMP].type == 3)
    assert error[IPerror].src == error[IP].dst and error[TCPerror].sport == 8080
    assert left[-1][Dot1Q].vlan == 5
    assert_checksums(left[-1])


@pytest.mark.parametrize("vip, number", [(VIP4, 0), (VIP6, 1)])
def test_the_packet_after_it_is_what_the_container_gets(network, balanced, vip, number):
    src = endpoint(nobody(vip), 25000)
    told = explain(balanced, "tcp", src, endpoint(vip, 80), "--flags", "PSH,ACK")
    frame = Ether(bytes.fromhex(told["packet_after"]))
    server = int(told["backend"][1:])
    assert ip_of(frame).dst == network.addresses(server)[number]
    assert (frame[TCP].dport, frame[TCP].flags) == (8080, "PA")
    assert frame.dst == network.servers[server - 1].mac("eth0")
    assert_checksums(frame)
    assert told["vip"] == endpoint(vip, 80) + "/tcp"
    assert step(told, "backend")["address"] == endpoint(network.addresses(server)[number], 8080)
    assert step(told, "next_hop") == {
        "step": "next_hop", "interface": "br0" if step(told, "next_hop")["interface"] == "br0"
        else f"v{server}", "local": True, "text": step(told, "next_hop")["text"]}
    assert Ether(bytes.fromhex(told["packet"]["hex"])).dst == network.edge.mac("front0")


def test_replies_are_explained_by_lb_reply(network, balanced):
    container = network.addresses(2)[0]
    told = explain(balanced, "tcp", endpoint(container, 8080), endpoint(NOBODY4, 4000), "--flags",
                   "SYN,ACK")
    assert told["packet"]["program"] == "lb_reply"
    assert (told["verdict"], told["backend"]) == ("REDIRECT_REPLY", "c2")
    frame = Ether(bytes.fromhex(told["packet_after"]))
    assert (frame[IP].src, frame[TCP].sport) == (VIP4, 80)
    assert_checksums(frame)
    direct = explain(balanced, "tcp", endpoint(container, 8080), endpoint("10.1.0.1", 4000))
    assert direct["verdict"] == "PASS_REPLY_DIRECT"
    other = explain(balanced, "tcp", endpoint("10.1.0.77", 8080), endpoint(NOBODY4, 4000),
                    "--reply")
    assert other["verdict"] == "PASS_NOT_REPLY"


def test_what_is_not_balanced_says_why(balanced):
    other = explain(balanced, "tcp", endpoint(NOBODY4, 1), endpoint(VIP4, 81))
    assert (other["verdict"], other["packet_after"]) == ("PASS_NOT_SERVICE", None)
    assert "is a virtual address" in step(other, "service")["text"]
    foreign = explain(balanced, "tcp", endpoint(NOBODY4, 1), endpoint("198.51.100.1", 80))
    assert "nobody's virtual address" in step(foreign, "service")["text"]
    echo = explain(balanced, "icmp", NOBODY4, VIP4)
    assert echo["action"] in ("tx", "drop")
    if echo["action"] == "tx":
        assert Ether(bytes.fromhex(echo["packet_after"]))[ICMP].type == 0


def test_it_reads_as_a_walk_and_needs_no_daemon(balanced):
    balanced.stop()
    words = balanced.ctl("explain", "tcp", endpoint(NOBODY4, 1), endpoint(VIP4, 80)).stdout
    steps = [line.split(" ")[0] for line in words.splitlines() if line[0] != " "]
    assert steps == ["packet", "service", "slot", "motion", "flow", "backend", "next", "rewrite",
                     "verdict", "after"]
    assert "through lb on front0" in words
    assert "REDIRECT_NAT: to a backend, destination translated" in words


@pytest.mark.parametrize("forward, header", [("ipip", 20), ("gue", 28)])
def test_what_is_encapsulated_leaves_longer_than_it_came(network, tmp_path, forward, header):
    """From a config alone: with the largest packet that can be run, too."""
    conf, source, out = (tmp_path / name for name in ("lb.conf", "in.pcap", "out.pcap"))
    conf.write_text(config(service("far", [VIP4], ['{ name = "f1"; address = [ "10.9.0.1" ]; }'],
                                   protocol="udp", ports=[53], forward=forward)))
    frames = [frame_to(network, VIP4, UDP(sport=4000, dport=53) / Raw(bytes(size)))
              for size in (10, 1400)]
    wrpcap(str(source), frames)
    result = network.edge.run(LBCTL, "replay", source, out, "--config", conf)
    assert [line.split()[1:] for line in result.stdout.splitlines()] == \
        [[f"REDIRECT_{forward.upper()}", "far", "f1"]] * 2
    for came, left in zip(frames, rdpcap(str(out))):
        assert len(left) == len(came) + header
        assert left[IP].dst == "10.9.0.1" and left[IP].proto == (4 if forward == "ipip" else 17)
        inner = IP(bytes(left)[14 + header:])
        assert (inner.dst, bytes(inner[UDP])) == (VIP4, bytes(came[UDP]))


@pytest.mark.parametrize("words, sentence", [
    ((), "explain wants a protocol, a source and a destination"),
    (("sctp", "1.2.3.4:1", "1.2.3.4:2"), '"sctp" is none of tcp, udp, icmp'),
    (("tcp", "1.2.3.4", "1.2.3.4:2"), '"1.2.3.4" is not ADDRESS:PORT'),
    (("tcp", "1.2.3.4:0", "1.2.3.4:2"), '"1.2.3.4:0" is not ADDRESS:PORT'),
    (("tcp", "1.2.3.4:65536", "1.2.3.4:2"), '"1.2.3.4:65536" is not ADDRESS:PORT'),
    (("tcp", "2001:db8::1:80", "1.2.3.4:2"), '"2001:db8::1:80" is not ADDRESS:PORT'),
    (("tcp", "[2001:db8::1]", "1.2.3.4:2"), '"[2001:db8::1]" is not ADDRESS:PORT'),
    (("tcp", "1.2.3:1", "1.2.3.4:2"), '"1.2.3:1" has no IPv4 or IPv6 address'),
    (("tcp", "[2001:db8::1]:1", "1.2.3.4:2"), "are of different families"),
    (("tcp", "1.2.3.4:1", "1.2.3.4:2", "--flags", "SYN,NO"), '"NO" is none of SYN'),
    (("udp", "1.2.3.4:1", "1.2.3.4:2", "--flags", "SYN"), "only tcp has --flags"),
    (("icmp", "1.2.3.4:1", "1.2.3.4"), "icmp has no ports"),
])
def test_wrong_usage_exits_2_and_says_what_is_wrong(words, sentence):
    result = subprocess.run([LBCTL, "explain", *words], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "usage: lbctl explain" in result.stderr
    assert result.stdout == ""


def test_without_pins_it_fails_with_a_sentence(ground):  # pylint: disable=unused-argument
    result = subprocess.run([LBCTL, "--json", "--pin", "/sys/fs/bpf/elbt-no-such", "explain", "tcp",
                             "192.0.2.1:1", "192.0.2.2:2"], capture_output=True, text=True,
                            check=False)
    assert result.returncode == 1
    assert "no lbd has been here" in json.loads(result.stdout)["errors"][0]["text"]
