# SPDX-License-Identifier: GPL-2.0-or-later
"""lbctl capture: each packet as it came and as it left, which no packet socket here sees."""

import contextlib
import json
import signal
import struct
import subprocess

import pytest
from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, rdpcap

from balancer import LBCTL, backend, config, service
from frames import Sniffer, assert_checksums, ip_of, send
from lab import wait_for
from topology import VIP4, VIP6, VIPS
from traffic import curl

NOBODY4, NOBODY6 = "192.0.2.99", "2001:db8:1::99"
PORT = 7000


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    return bridged


@pytest.fixture(name="balanced")
def fixture_balanced(network, lbd):
    return lbd.start(config(
        service("web", VIPS, [backend(f"c{n}", *network.addresses(n)) for n in (1, 2)]),
        service("echo", VIPS, [backend("c3", *network.addresses(3), port=7007)],
                protocol="udp", ports=[PORT])))


class Capture:
    """A running lbctl capture."""

    def __init__(self, lbd, *options):
        self.lbd = lbd
        self.process = lbd.namespace.start(LBCTL, "--pin", lbd.pin, "capture", *options)
        self.process.wait_output("capturing")

    def end(self):
        """Ctrl-C; what it said."""
        if self.process.running():
            self.process.signal(signal.SIGINT)
        assert self.process.wait() == 0, self.process.output()
        return self.process.output()

    def wait_end(self):
        """Until it ends by itself."""
        assert self.process.wait() == 0, self.process.output()
        return self.process.output()


@contextlib.contextmanager
def capture(lbd, *options):
    taken = Capture(lbd, *options)
    try:
        yield taken
    finally:
        taken.process.end()


def to_vip(network, vip, transport):
    ip = IPv6(src=NOBODY6, dst=vip) if ":" in vip else IP(src=NOBODY4, dst=vip)
    return Ether(src=network.client.mac("eth0"), dst=network.edge.mac("front0")) / ip / transport


def datagrams(network, vip, sports, size=20):
    return [to_vip(network, vip, UDP(sport=sport, dport=PORT) / Raw(bytes(size)))
            for sport in sports]


def send_all(network, frames, server=3):
    """Sends them; the frames that came of them at the container, by their source port."""
    sports = {frame[UDP].sport for frame in frames}
    with Sniffer(network.servers[server - 1]) as sniffer:
        for frame in frames:
            send(network.client, frame)
        came = sniffer.wait(lambda f: UDP in f and f.sport in sports, len(frames))
    return {frame.sport: frame for frame in came}


class Block:
    """One packet of a pcapng file, as the format's draft has it: scapy reads no options."""

    def __init__(self, body):
        number, high, low, kept, self.bytes = struct.unpack_from("<5I", body)
        self.interface = ("in", "out")[number]
        self.at_ns = high << 32 | low
        self.frame = Ether(body[20:20 + kept])
        options = dict(options_of(body[20 + (kept + 3 & ~3):]))
        self.comment = options[1].decode()
        assert struct.unpack("<I", options[2]) == (number + 1,)  # inbound, outbound


def options_of(data):
    while True:
        code, size = struct.unpack_from("<2H", data)
        if not code:
            assert (size, len(data)) == (0, 4)
            return
        yield code, data[4:4 + size]
        data = data[4 + (size + 3 & ~3):]


def blocks(path):
    data, found = path.read_bytes(), []
    while data:
        kind, size = struct.unpack_from("<2I", data)
        assert struct.unpack_from("<I", data, size - 4) == (size,)
        found.append((kind, data[8:size - 4]))
        data = data[size:]
    assert [kind for kind, _ in found[:3]] == [0x0a0d0d0a, 1, 1]
    for (_, body), name in zip(found[1:3], (b"in", b"out")):
        assert dict(options_of(body[8:])) == {2: name, 9: bytes([9])}  # nanoseconds
    packets = [Block(body) for kind, body in found[3:] if kind == 6]
    assert [bytes(packet.frame) for packet in packets] == list(map(bytes, rdpcap(str(path))))
    return packets


def pairs(found):
    """(came, left) of those that left."""
    return [(came, left) for came, left in zip(found, found[1:])
            if came.interface == "in" and left.interface == "out"]


def of_lb(found):
    return [pair for pair in found if "REDIRECT_NAT" in pair[0].comment]


@pytest.mark.parametrize("vip, number", [(VIP4, 0), (VIP6, 1)])
def test_each_packet_is_there_as_it_came_and_as_it_left(network, balanced, tmp_path, vip, number):
    file = tmp_path / "taken.pcapng"
    sent = datagrams(network, vip, range(30000, 30020))
    with capture(balanced, "-w", file, "--service", "echo", "--filter",
                 f"src host {NOBODY6 if number else NOBODY4}") as taken:
        got = send_all(network, sent)
        assert "20 packets captured" in taken.end()
    found = pairs(blocks(file))
    assert len(blocks(file)) == 40 and len(found) == 20
    assert [bytes(came.frame) for came, _ in found] == [bytes(frame) for frame in sent]
    for came, left in found:
        assert came.comment == "in by front0: REDIRECT_NAT to echo/c3"
        assert left.comment == "out: REDIRECT_NAT to echo/c3"
        assert bytes(left.frame) == bytes(got[left.frame.sport])
        assert ip_of(left.frame).dst == network.addresses(3)[number]
        assert_checksums(left.frame)
        assert 0 <= left.at_ns - came.at_ns < 10**9
    assert abs(found[0][0].at_ns / 1e9 - file.stat().st_mtime) < 60


def test_replies_of_containers_are_captured_where_they_get_their_vip(network, balanced, tmp_path):
    file = tmp_path / "taken.pcapng"
    with capture(balanced, "-w", file, "--service", "web") as taken:
        curl(network.client, VIP4)
        taken.end()
    found = pairs(blocks(file))
    replies = [(came, left) for came, left in found if "REDIRECT_REPLY" in came.comment]
    requests = [(came, left) for came, left in found if "REDIRECT_NAT" in came.comment]
    assert len(requests) >= 4 and len(replies) >= 3
    for came, left in replies:
        assert came.comment.startswith("in by v") and " of web/c" in came.comment
        assert came.frame[IP].src.startswith("10.1.0.") and left.frame[IP].src == VIP4
        assert (came.frame[TCP].sport, left.frame[TCP].sport) == (8080, 80)
    for came, left in requests:
        assert came.frame[IP].dst == VIP4 and left.frame[IP].dst.startswith("10.1.0.")


def test_what_is_dropped_or_passed_has_one_block_and_its_verdict(network, balanced, tmp_path):
    file = tmp_path / "taken.pcapng"
    with capture(balanced, "-w", file, "--filter", f"src host {NOBODY4}") as taken:
        short = to_vip(network, VIP4, UDP(sport=1, dport=PORT, len=100) / Raw(bytes(20)))
        send(network.client, short)
        send(network.client, to_vip(network, VIP4, TCP(sport=2, dport=81, flags="S")))
        send_all(network, datagrams(network, VIP4, [3]))
        taken.end()
    assert [block.comment for block in blocks(file)] == [
        "in by front0: DROP_MALFORMED of echo", "in by front0: PASS_NOT_SERVICE",
        "in by front0: REDIRECT_NAT to echo/c3", "out: REDIRECT_NAT to echo/c3"]


@pytest.mark.parametrize("options, expected", [
    (("--service", "web"), set()),
    (("--service", "echo"), {1, 2}),
    (("--backend", "echo/c3"), {1, 2}),
    (("--verdict", "redirect_nat", "--filter", "udp src port 2"), {2}),
    (("--verdict", "DROP_MALFORMED"), set()),
    (("--filter", f"udp and src host {NOBODY4} and (port 1 or port 81)"), {1}),
])
def test_filters_choose_by_service_backend_verdict_and_expression(network, balanced, options,
                                                                  expected):
    with capture(balanced, "--json", *options) as taken:
        send_all(network, datagrams(network, VIP4, [1, 2]))
        output = taken.end()
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    lines = [line for line in lines if line["program"] == "lb"]  # the container says: no such port
    seen = {Ether(bytes.fromhex(line["in"]["hex"]))[UDP].sport for line in lines}
    assert seen == expected
    for line in lines:
        assert (line["service"], line["backend"]) == ("echo", "c3")
        assert f"> {network.addresses(3)[0]}:7007 udp 20 bytes" in line["out"]["text"]


def test_a_line_of_text_says_both(network, balanced):
    with capture(balanced, "--service", "echo", "--count", "1") as taken:
        send_all(network, datagrams(network, VIP4, [5]))
        output = taken.wait_end()
    assert f"front0 {NOBODY4}:5 > {VIP4}:7000 udp 20 bytes: REDIRECT_NAT to echo/c3, as " \
        f"{NOBODY4}:5 > {network.addresses(3)[0]}:7007 udp 20 bytes\n" in output


def test_one_in_n_is_about_one_in_n(network, balanced, tmp_path):
    file = tmp_path / "taken.pcapng"
    count, sample = 4000, 10
    frame = bytes(datagrams(network, VIP4, [7])[0])
    with capture(balanced, "-w", file, "--service", "echo", "--sample", str(sample)) as taken:
        with network.client.socket(17, 3, 0) as sock:  # AF_PACKET, SOCK_RAW
            sock.bind(("eth0", 0))
            before = balanced.row("echo/c3")["packets"]
            for _ in range(count):
                sock.send(frame)
        wait_for(lambda: balanced.row("echo/c3")["packets"] - before == count, "all that was sent")
        taken.end()
    expected = count / sample
    assert abs(len(of_lb(pairs(blocks(file)))) - expected) < 5 * expected ** 0.5


def test_long_frames_are_cut_to_the_snap_length(network, balanced, tmp_path):
    file = tmp_path / "taken.pcapng"
    with capture(balanced, "-w", file, "--service", "echo", "--snap", "60") as taken:
        send_all(network, datagrams(network, VIP4, [9], size=1000))
        taken.end()
    ((came, left),) = of_lb(pairs(blocks(file)))
    assert (len(came.frame), came.bytes) == (60, 1042)
    assert (len(left.frame), left.bytes) == (60, 1042)


def word(lbd):
    """The capture's word in the settings."""
    dump = subprocess.run(["bpftool", "-j", "map", "lookup", "pinned", f"{lbd.pin}/lb_settings",
                           "key", "0", "0", "0", "0"], check=True, capture_output=True).stdout
    value = bytes(int(byte, 16) for byte in json.loads(dump)["value"])
    return int.from_bytes(value[16:24], "little")


def test_it_switches_off_at_its_end_and_a_second_one_is_refused(balanced):
    assert word(balanced) == 0
    with capture(balanced) as taken:
        assert word(balanced) != 0
        second = balanced.ctl("capture", check=False)
        assert second.returncode == 1 and "somebody captures already" in second.stderr
        taken.end()
    assert word(balanced) == 0
    with capture(balanced, "--seconds", "1") as taken:
        assert "captured" in taken.wait_end()
    assert word(balanced) == 0


def test_one_that_is_killed_is_over_by_itself_and_another_can_begin(network, balanced):
    with capture(balanced) as taken:
        first = word(balanced)
        taken.process.signal(signal.SIGKILL)
        taken.process.wait()
    assert word(balanced) == first  # nobody took it back
    again = wait_for(lambda: try_capture(balanced), "the end of what the killed one had begun")
    send_all(network, datagrams(network, VIP4, [11]))
    assert "REDIRECT_NAT to echo/c3" in again.end()
    assert word(balanced) == 0


def try_capture(lbd):
    process = lbd.namespace.start(LBCTL, "--pin", lbd.pin, "capture", "--service", "echo")
    wait_for(lambda: not process.running() or "capturing" in process.output(), "its first word")
    if not process.running():
        return None
    taken = Capture.__new__(Capture)
    taken.lbd, taken.process = lbd, process
    return taken


@pytest.mark.parametrize("words, sentence", [
    (("port", "80"), "capture takes options only"),
    (("--count", "0"), '--count wants a number from 1 to'),
    (("--sample", "65536"), "--sample wants a number from 1 to 65535"),
    (("--snap", "x"), "--snap wants a number"),
    (("--verdict", "NONSENSE"), 'there is no verdict "NONSENSE"'),
    (("--backend", "web"), '"web" is not SERVICE/BACKEND'),
    (("--filter", "udp and and"), '--filter "udp and and": '),
])
def test_wrong_usage_exits_2_and_says_what_is_wrong(words, sentence):
    result = subprocess.run([LBCTL, "capture", *words], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "usage: lbctl capture" in result.stderr


@pytest.mark.parametrize("words, sentence", [
    (("--service", "nobody"), "there is no service nobody"),
    (("--backend", "web/nobody"), "there is no backend web/nobody"),
    (("-w", "/nonexistent/file"), "No such file or directory"),
])
def test_what_cannot_be_is_refused_and_leaves_it_off(balanced, words, sentence):
    result = balanced.ctl("capture", *words, check=False)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert word(balanced) == 0
