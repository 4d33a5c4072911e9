# SPDX-License-Identifier: GPL-2.0-or-later
"""The built lbctl from the outside: usage, exit codes, check, and replay over a private copy of
the data plane. No daemon runs here, and no interface is touched: scapy writes the captures, and
scapy says whether what comes out is right."""

import json
import os
import pathlib
import struct
import subprocess

import pytest
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, IPv6, PcapNgWriter, PcapReader, Raw, wrpcap

ROOT = pathlib.Path(__file__).resolve().parents[2]
LBCTL = pathlib.Path(os.environ.get("LBCTL", ROOT / "build" / "lbctl"))

NO_SOCKET = ("--socket", "/nonexistent/lbd.sock", "--pin", "/sys/fs/bpf/edgelb-test-none")

CONFIG = """version = 1;
interfaces = ( { name = "eth0"; } );
defaults: { check: { type = "none"; }; };
services = (
  { name = "web"; vips = [ "203.0.113.10", "2001:db8::10" ]; protocol = "tcp"; ports = [ 80 ];
    backends = (
      { name = "a"; address = [ "10.1.0.2", "fd00::2" ]; port = 8080; },
      { name = "b"; address = [ "10.1.0.3", "fd00::3" ]; port = 8080; } ); },
  { name = "dns"; vips = [ "203.0.113.11" ]; protocol = "udp"; ports = [ 53 ]; forward = "dsr";
    backends = ( { name = "c"; address = "10.1.0.4"; } ); },
  { name = "far"; vips = [ "203.0.113.12" ]; protocol = "tcp"; ports = [ 80 ];
    backends = ( { name = "d"; address = "192.0.2.9"; port = 80; mac = "02:00:00:00:00:0d";
                   interface = "eth0"; } ); }
);
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="loading BPF programs needs root")


def lbctl(*args, cwd=None):
    return subprocess.run([LBCTL, *map(str, args)], cwd=cwd, capture_output=True, text=True,
                          timeout=60, check=False)


def assert_fails(result, code, sentence):
    assert sentence in result.stderr
    assert result.returncode == code
    assert "Traceback" not in result.stderr


@pytest.fixture(name="conf")
def fixture_conf(tmp_path):
    path = tmp_path / "lb.conf"
    path.write_text(CONFIG)
    return path


# ---- usage and exit codes -------------------------------------------------------------------


@pytest.mark.parametrize("args, sentence", [
    ((), "no verb"),
    (("frobnicate",), 'unknown verb "frobnicate"'),
    (("--frobnicate", "show"), 'unknown option "--frobnicate"'),
    (("show", "--frobnicate"), 'unknown option "--frobnicate"'),
    (("--socket",), "option --socket wants a value"),
    (("show", "nonsense"), 'there is no view "nonsense"'),
    (("show", "services", "backends"), "one view at a time"),
    (("check",), "check wants one file"),
    (("check", "a", "b"), "check wants one file"),
    (("plan", "a", "b"), "one file at the most"),
    (("reload", "--previous", "a"), "--previous names the config already"),
    (("reload", "--break"), "option --break wants a value"),
    (("drain",), "drain wants one SERVICE/BACKEND"),
    (("drain", "web"), '"web" is not SERVICE/BACKEND'),
    (("enable", "web/"), '"" is not the name of a backend'),
    (("disable", "web/a/b"), '"a/b" is not the name of a backend'),
    (("weight", "web/a"), "one number"),
    (("weight", "web/a", "65536"), '"65536" is no weight from 0 to 65535'),
    (("weight", "web/a", "-1"), '"-1" is no weight from 0 to 65535'),
    (("weight", "web/a", "1x"), '"1x" is no weight from 0 to 65535'),
    (("reset",), "reset wants one SERVICE/BACKEND, or --all"),
    (("reset", "--all", "web/a"), "reset wants one SERVICE/BACKEND, or --all"),
    (("replay", "in.pcap"), "a capture to read and one to write"),
    (("replay", "in.pcap", "-"), "OUT must be a file"),
    (("unload", "web"), "unload takes no names"),
    (("flows", "web"), "flows takes no names: --container web, --peer web"),
    (("flows", "--since", "10"), '--since wants a time of a second or more such as "10m"'),
    (("flows", "--since", "90000h"), '--since goes back ten years ("87600h") at the most'),
    (("flows", "--port", "0"), '--port wants a number from 1 to 65535, not "0"'),
    (("flows", "--port=http"), '--port wants a number from 1 to 65535, not "http"'),
    (("flows", "--peer", "10.1.0.7/16"), "--peer 10.1.0.7/16: bits of the address stand behind"),
    (("flows", "--peer", "10.1.0.300"), '--peer wants an address, a prefix such as "10.1.0.0/16"'),
    (("flows", "--container", ""), "option --container wants a value that is not empty"),
    (("flows", "-f", "-x"), 'unknown option "-x"'),
    (("graph", "web"), "graph takes no names"),
    (("graph", "--since", "1y"), '--since wants a time of a second or more such as "10m"'),
    (("graph", "--dot", "--json"), "--dot and --json are two forms of the same"),
    (("policy", "suggest", "--since", "87601h"), "--since goes back ten years"),
    (("events", "web"), "events takes options only"),
    (("events", "--kind", "weather"), 'there is no kind "weather": health plan denial flow '),
    (("events", "--kind"), "option --kind wants a value"),
    (("events", "--since", "yesterday"),
     '--since wants a time such as "10m", not "yesterday"'),
    (("top",), "top wants a terminal; --batch prints tables, --json objects"),
    (("top", "-n", "2"), "-n belongs to --batch and --json"),
    (("top", "nonsense"), 'there is no view "nonsense"'),
    (("top", "-b", "services", "backends"), "one view at a time"),
    (("top", "-b", "-n", "0"), '-n wants a number from 1 to 1000000000, not "0"'),
    (("top", "-b", "-d", "0.05"), '-d wants seconds from 0.1 to 3600, not "0.05"'),
    (("top", "-b", "-d", "1s"), '-d wants seconds from 0.1 to 3600, not "1s"'),
])
def test_wrong_usage_exits_2_and_says_what_is_wrong(args, sentence):
    result = lbctl(*args)
    assert_fails(result, 2, sentence)
    assert "usage: lbctl" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("args", [
    ("show",), ("show", "backends"), ("plan",), ("reload",), ("reload", "--previous"),
    ("drain", "web/a"), ("enable", "web/a"), ("disable", "web/a"), ("weight", "web/a", "0"),
    ("reset", "web/a"), ("reset", "--all"), ("show", "flows"), ("flows",), ("flows", "-f"),
    ("flows", "-f", "--json"), ("graph",), ("graph", "--dot"), ("events",), ("events", "-f"),
    ("top", "--batch"),
])
def test_without_a_daemon_the_exit_code_is_3(args):
    assert_fails(lbctl(*NO_SOCKET, *args), 3, "no daemon at /nonexistent/lbd.sock")


def test_a_socket_that_nobody_serves_any_more_has_no_daemon(tmp_path):
    path = tmp_path / "lbd.sock"
    subprocess.run(["/usr/bin/python3", "-c",
                    "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path],
                   check=True)
    assert_fails(lbctl("--socket", path, "show"), 3, f"no daemon at {path}")


def test_json_errors_stand_on_stdout_too():
    result = lbctl(*NO_SOCKET, "show", "--json")
    assert result.returncode == 3
    (error,) = json.loads(result.stdout)["errors"]
    assert error["file"] is None
    assert error["text"] == result.stderr.rstrip("\n")


def test_help_and_version_need_nothing():
    help_text = lbctl("--help")
    assert help_text.returncode == 0
    for verb in ("check", "plan", "reload", "show", "drain", "enable", "disable", "weight",
                 "reset", "replay", "explain", "capture", "doctor", "flows", "graph",
                 "events", "top", "unload"):
        assert f"\n  {verb} " in help_text.stdout
    assert lbctl("replay", "--help").stdout.startswith("usage: lbctl replay IN.pcap OUT.pcap")
    assert lbctl("--version").stdout.startswith("lbctl ")


def test_output_that_cannot_be_written_is_no_success(conf):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([LBCTL, "check", conf], stdout=full, stderr=subprocess.PIPE,
                                text=True, timeout=60, check=False)
    assert_fails(result, 1, "cannot write the output: No space left on device")


# ---- check ----------------------------------------------------------------------------------


def test_check_says_in_one_line_that_a_file_is_fine(conf):
    result = lbctl("check", "lb.conf", cwd=conf.parent)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "lb.conf: fine, 3 services, 4 backends\n"
    assert lbctl("check", conf, "--json").stdout == '{"errors":[]}\n'


def test_check_names_every_error_with_the_file_as_it_was_given(conf):
    conf.write_text(CONFIG.replace("port = 8080", "prot = 8080"))
    result = lbctl("--json", "check", "./lb.conf", cwd=conf.parent)
    errors = json.loads(result.stdout)["errors"]
    assert result.returncode == 1
    assert [error["line"] for error in errors] == [7, 8]
    assert all(error["file"] == "./lb.conf" for error in errors)
    assert 'unknown key "prot" in backend "a"' in errors[0]["text"]
    assert result.stderr.splitlines()[0] == f'./lb.conf:7: {errors[0]["text"]}'


def test_check_of_a_missing_file_is_refused():
    assert_fails(lbctl("check", "/nonexistent.conf"), 1, "/nonexistent.conf: ")


@pytest.mark.parametrize("verb", ["plan", "reload"])
def test_a_missing_file_is_told_before_the_daemon_is_asked(verb):
    assert_fails(lbctl(*NO_SOCKET, verb, "/nonexistent.conf"), 1,
                 "/nonexistent.conf: cannot read it: No such file or directory")


@needs_root
def test_unload_without_daemon_and_pins_has_nothing_to_do():
    result = lbctl(*NO_SOCKET, "unload")
    assert (result.returncode, result.stderr) == (0, "")
    assert "/sys/fs/bpf/edgelb-test-none" in result.stdout


# ---- replay ---------------------------------------------------------------------------------

ETHER = Ether(src="02:00:00:00:00:aa", dst="02:00:00:00:00:bb")


def packets():
    """Frames with times of their own, and what becomes of each: verdict, service, backends."""
    rows = [
        (ETHER / ARP(), "PASS_NOT_IP", None, ()),
        (ETHER / IP(src="198.51.100.7", dst="203.0.113.10") / ICMP(type="timestamp-request"),
         "PASS_PROTOCOL", None, ()),
        (ETHER / IP(src="198.51.100.7", dst="203.0.113.10") / TCP(sport=4000, dport=81),
         "PASS_NOT_SERVICE", None, ()),
        (ETHER / IP(src="198.51.100.7", dst="203.0.113.10", ttl=60) /
         TCP(sport=4000, dport=80, flags="S"), "REDIRECT_NAT", "web", ("a", "b")),
        (ETHER / IPv6(src="2001:db8:1::7", dst="2001:db8::10", hlim=60) /
         TCP(sport=4000, dport=80, flags="PA") / Raw(b"GET / HTTP/1.1\r\n\r\n"),
         "REDIRECT_NAT", "web", ("a", "b")),
        (ETHER / IP(src="198.51.100.7", dst="203.0.113.11", ttl=60) / UDP(sport=4000, dport=53) /
         Raw(b"question"), "REDIRECT_DSR", "dns", ("c",)),
        (ETHER / IP(src="198.51.100.7", dst="203.0.113.12", ttl=60) / TCP(sport=4000, dport=80),
         "TX_NAT", "far", ("d",)),
        (ETHER / IP(src="198.51.100.7", dst="203.0.113.12", ttl=1) / TCP(sport=4000, dport=80),
         "DROP_TTL", "far", ("d",)),
    ]
    for i, row in enumerate(rows):
        row[0].time = 1700000000 + i + i / 1000
    return rows


def frames(rows):
    return [row[0] for row in rows]


def capture_read(path):
    with PcapReader(str(path)) as reader:
        return list(reader)


def replay(conf, source, *args):
    out = source.parent / "out.pcap"
    return lbctl("replay", source, out, "--config", conf, *args), out


@needs_root
def test_replay_prints_one_line_a_packet(conf, tmp_path):
    rows = packets()
    wrpcap(str(tmp_path / "in.pcap"), frames(rows))
    result, _ = replay(conf, tmp_path / "in.pcap")
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split(" ") for line in result.stdout.splitlines()]
    assert len(lines) == len(rows)
    for number, (line, (_, verdict, service, backends)) in enumerate(zip(lines, rows), 1):
        assert line[:3] == [str(number), verdict, service or "-"]
        assert line[3] in (backends or ("-",))


@needs_root
def test_replay_json_names_action_and_vip(conf, tmp_path):
    rows = packets()
    wrpcap(str(tmp_path / "in.pcap"), frames(rows))
    result, _ = replay(conf, tmp_path / "in.pcap", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(list(line) == ["packet", "verdict", "action", "service", "backend", "vip"]
               for line in lines)
    assert [line["packet"] for line in lines] == list(range(1, len(rows) + 1))
    assert [line["verdict"] for line in lines] == [row[1] for row in rows]
    assert [line["action"] for line in lines] == ["pass", "pass", "pass", "redirect", "redirect",
                                                  "redirect", "tx", "drop"]
    assert lines[0]["service"] is lines[0]["backend"] is lines[0]["vip"] is None
    assert lines[3]["vip"] == "203.0.113.10:80/tcp"
    assert lines[4]["vip"] == "[2001:db8::10]:80/tcp"
    assert lines[5]["vip"] == "203.0.113.11:53/udp"


def assert_checksums(frame):
    """What scapy computes itself is what stands in the frame."""
    fresh = frame.copy()
    for layer, field in ((IP, "chksum"), (TCP, "chksum"), (UDP, "chksum")):
        if layer in fresh:
            delattr(fresh[layer], field)
    assert bytes(Ether(bytes(fresh))) == bytes(frame)


@needs_root
def test_replay_writes_what_leaves_with_its_own_time(conf, tmp_path):
    rows = packets()
    wrpcap(str(tmp_path / "in.pcap"), frames(rows))
    _, out = replay(conf, tmp_path / "in.pcap")
    assert out.read_bytes()[:4] == struct.pack("<I", 0xa1b2c3d4)
    left = capture_read(out)
    sent = [row[0] for row in rows if row[1].startswith(("REDIRECT", "TX"))]
    assert [f"{frame.time:.6f}" for frame in left] == [f"{frame.time:.6f}" for frame in sent]
    assert [frame[Ether].dst for frame in left] == 3 * ["02:00:00:00:00:01"] + ["02:00:00:00:00:0d"]
    for frame in left:
        assert_checksums(frame)
    assert left[0][IP].dst in ("10.1.0.2", "10.1.0.3")
    assert (left[0][IP].src, left[0][TCP].sport, left[0][TCP].dport) == ("198.51.100.7", 4000, 8080)
    assert left[1][IPv6].dst in ("fd00::2", "fd00::3")
    assert left[1][Raw].load == b"GET / HTTP/1.1\r\n\r\n"
    assert (left[2][IP].dst, left[2][UDP].dport) == ("203.0.113.11", 53)
    assert (left[3][IP].dst, left[3][TCP].dport) == ("192.0.2.9", 80)
    # What the config does not place elsewhere is a container of this host: no hop to count.
    assert [left[0][IP].ttl, left[1][IPv6].hlim, left[2][IP].ttl] == [60, 60, 60]
    assert left[3][IP].ttl == 59


@needs_root
def test_replay_reads_pcapng_and_keeps_nanoseconds(conf, tmp_path):
    rows = packets()
    writer = PcapNgWriter(str(tmp_path / "in.pcapng"))
    for frame in frames(rows):
        writer.write(frame)
    writer.close()
    wrpcap(str(tmp_path / "nano.pcap"), frames(rows), nano=True)
    ng, out = replay(conf, tmp_path / "in.pcapng")
    assert ng.returncode == 0
    assert len(ng.stdout.splitlines()) == len(rows)
    assert len(capture_read(out)) == 4
    nano, out = replay(conf, tmp_path / "nano.pcap")
    assert nano.stdout == ng.stdout
    assert out.read_bytes()[:4] == struct.pack("<I", 0xa1b23c4d)


@needs_root
def test_replay_of_replies_gives_them_the_vip(conf, tmp_path):
    frame = ETHER / IP(src="10.1.0.2", dst="198.51.100.7") / TCP(sport=8080, dport=4000)
    other = ETHER / IP(src="10.1.0.2", dst="198.51.100.7") / TCP(sport=22, dport=4000)
    wrpcap(str(tmp_path / "in.pcap"), [frame, other])
    result, out = replay(conf, tmp_path / "in.pcap", "--reply")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["1 REDIRECT_REPLY web a", "2 PASS_NOT_REPLY - -"]
    (left,) = capture_read(out)
    assert (left[IP].src, left[TCP].sport) == ("203.0.113.10", 80)
    assert (left[IP].dst, left[TCP].dport) == ("198.51.100.7", 4000)
    assert_checksums(left)


@needs_root
def test_every_one_of_many_services_and_backends_is_found(conf, tmp_path):
    numbers = range(300)
    services = ",".join(
        f"""{{ name = "s{i}"; vips = [ "203.0.113.{i % 250}" ]; protocol = "tcp";
              ports = [ {1000 + i} ]; backends = ( {{ name = "b{i}"; port = 8080;
              address = "10.1.{i // 250}.{i % 250}"; }} ); }}""" for i in numbers)
    conf.write_text(f"""version = 1; interfaces = ( {{ name = "eth0"; }} );
        defaults: {{ check: {{ type = "none"; }}; }}; services = ( {services} );""")
    wrpcap(str(tmp_path / "in.pcap"),
           [ETHER / IP(src="198.51.100.7", dst=f"203.0.113.{i % 250}") / TCP(dport=1000 + i)
            for i in numbers])
    result, _ = replay(conf, tmp_path / "in.pcap")
    assert result.stdout.splitlines() == [f"{i + 1} REDIRECT_NAT s{i} b{i}" for i in numbers]
    wrpcap(str(tmp_path / "in.pcap"),
           [ETHER / IP(src=f"10.1.{i // 250}.{i % 250}", dst="198.51.100.7") / TCP(sport=8080)
            for i in numbers])
    result, _ = replay(conf, tmp_path / "in.pcap", "--reply")
    assert result.stdout.splitlines() == [f"{i + 1} REDIRECT_REPLY s{i} b{i}" for i in numbers]


@needs_root
def test_replay_is_the_same_twice(conf, tmp_path):
    conf.write_text(CONFIG + 'tuning: { hash_seed = "test"; };\n')
    flows = [ETHER / IP(src="198.51.100.7", dst="203.0.113.10") / TCP(sport=port, dport=80)
             for port in range(2000, 2100)]
    wrpcap(str(tmp_path / "in.pcap"), flows)
    first, _ = replay(conf, tmp_path / "in.pcap")
    second, _ = replay(conf, tmp_path / "in.pcap")
    assert first.stdout == second.stdout
    assert {line.split()[3] for line in first.stdout.splitlines()} == {"a", "b"}


@needs_root
def test_a_packet_that_cannot_be_run_fails_the_replay_but_not_the_others(conf, tmp_path):
    huge = ETHER / IP(dst="203.0.113.10") / TCP(dport=80) / Raw(bytes(12000))
    wrpcap(str(tmp_path / "in.pcap"), [huge, ETHER / ARP()])
    result, _ = replay(conf, tmp_path / "in.pcap")
    assert_fails(result, 1, "packet 1 cannot be run: it has 12054 bytes")
    assert result.stdout == "2 PASS_NOT_IP - -\n"


@needs_root
def test_packets_that_the_capture_cut_short_are_told(conf, tmp_path):
    source = tmp_path / "in.pcap"
    frame = bytes(ETHER / IP(dst="203.0.113.10") / TCP(dport=80))[:40]
    source.write_bytes(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 40, 1) +
                       struct.pack("<IIII", 1700000000, 0, len(frame), 54) + frame)
    result, _ = replay(conf, source)
    assert result.returncode == 0
    assert "1 packet was cut short when captured" in result.stderr
    assert result.stdout == "1 DROP_TRUNCATED - -\n"


@pytest.mark.parametrize("content, sentence", [
    (b"", "in.pcap: it is empty"),
    (b"this is no capture at all", "in.pcap: "),
    (struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101),
     "in.pcap: its packets are of link type RAW; only Ethernet can be replayed"),
])
def test_what_is_no_capture_of_ethernet_is_refused(conf, tmp_path, content, sentence):
    (tmp_path / "in.pcap").write_bytes(content)
    result, out = replay(conf, tmp_path / "in.pcap")
    assert_fails(result, 1, sentence)
    assert not out.exists()


@needs_root
def test_a_capture_that_ends_in_the_middle_of_a_packet_fails(conf, tmp_path):
    source = tmp_path / "in.pcap"
    wrpcap(str(source), [ETHER / ARP(), ETHER / ARP()])
    source.write_bytes(source.read_bytes()[:-5])
    result, _ = replay(conf, source)
    assert_fails(result, 1, "in.pcap: behind packet 1: ")
    assert result.stdout == "1 PASS_NOT_IP - -\n"


def test_replay_refuses_to_overwrite_what_it_reads(conf, tmp_path):
    source = tmp_path / "in.pcap"
    wrpcap(str(source), [ETHER / ARP()])
    before = source.read_bytes()
    assert_fails(lbctl("replay", source, tmp_path / "." / "in.pcap", "--config", conf), 2,
                 "IN and OUT are the same file")
    assert source.read_bytes() == before


def test_replay_with_a_bad_config_leaves_out_as_it_was(conf, tmp_path):
    conf.write_text("version = 2;")
    wrpcap(str(tmp_path / "in.pcap"), [ETHER / ARP()])
    (tmp_path / "out.pcap").write_text("older")
    result, out = replay(conf, tmp_path / "in.pcap")
    assert_fails(result, 1, "lb.conf:1: ")
    assert out.read_text() == "older"


@needs_root
def test_replay_without_config_and_pins_is_refused(tmp_path):
    wrpcap(str(tmp_path / "in.pcap"), [ETHER / ARP()])
    result = lbctl(*NO_SOCKET, "replay", tmp_path / "in.pcap", tmp_path / "out.pcap")
    assert_fails(result, 1, "/sys/fs/bpf/edgelb-test-none")
    assert not (tmp_path / "out.pcap").exists()
