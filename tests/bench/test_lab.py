# SPDX-License-Identifier: GPL-2.0-or-later
"""The generators for a lab. TRex is not here: its profiles are loaded against a small fake of its
modules (tests/bench/fake), the packets are built and judged by scapy, and the field engine's program
is carried out here. pktgen's script is asked what it would write; that it runs is tested in the
virtual machine (tests/qemu). Both must send what bench/lab/matrix.py says, and lb-conf serve it."""

import importlib.util
import ipaddress
import itertools
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAB = ROOT / "bench" / "lab"
PKTGEN = [LAB / "pktgen", "--interface", "eth0", "--mac", "02:00:00:00:00:01"]
TIMEOUT_S = 120

CLIENTS = ipaddress.ip_network("10.0.0.0/12")
CLIENTS6 = ipaddress.ip_network("2001:db8:100::a00:0/108")
FLOWS = {"1": 1, "64k": 1 << 16, "1M": 1 << 20}
SIZES = {"64": {64: 1}, "512": {512: 1}, "1500": {1500: 1}, "imix": {64: 7, 594: 4, 1518: 1}}


@pytest.fixture(scope="module")
def lab():
    """The profiles and what they share, with the fake in TRex's place."""
    def load(name):
        spec = importlib.util.spec_from_file_location(name, LAB / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    before, written = list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT / "tests" / "bench" / "fake"))
    modules = type("Lab", (), {name: load(name) for name in ("matrix", "trex_stl", "trex_astf")})
    yield modules
    sys.path[:] = before
    sys.dont_write_bytecode = written
    for name in [name for name in sys.modules if name.split(".")[0] in ("trex", "matrix")]:
        del sys.modules[name]


def streams_of(lab, *tunables):
    return lab.trex_stl.register().get_streams(tunables=list(tunables), direction=0, port_id=0)


# ---- what a stream sends -------------------------------------------------------------------------

def field_offset(packet, name):
    """Where TRex's "LAYER.field" is in a frame without options."""
    from scapy.all import Ether, IP, IPv6, TCP, UDP

    layer, field = name.split(".")
    kind = {"IP": IP, "IPv6": IPv6, "TCP": TCP, "UDP": UDP}[layer]
    above = {IP: [Ether], IPv6: [Ether], TCP: [Ether, packet[1].__class__],
             UDP: [Ether, packet[1].__class__]}[kind]
    start = sum({Ether: 14, IP: 20, IPv6: 40}[each] for each in above)
    assert kind in packet
    return start + {"IP.src": 12, "IP.dst": 16, "IPv6.src": 8, "IPv6.dst": 24, "TCP.sport": 0,
                    "UDP.sport": 0, "TCP.seq": 4}[f"{layer}.{field}"]


def frame_of(stream, values):
    """The frame that leaves where the variables have these values, with its sums mended."""
    from scapy.all import Ether, IP, TCP, UDP

    vm, frame = stream.packet.vm, bytearray(bytes(stream.packet.pkt))
    for name, field, fixup in vm.writes:
        size = vm.vars[name][2]
        offset = field_offset(stream.packet.pkt, field) + fixup
        frame[offset:offset + size] = values[name].to_bytes(size, "big")
    packet = Ether(bytes(frame))
    if vm.fixes and IP in packet:
        del packet[IP].chksum
    for kind in (TCP, UDP):
        if vm.fixes and vm.fixes[0][0] == "full" and kind in packet:
            del packet[kind].chksum
    return Ether(bytes(packet))


def ends_of(stream):
    """The first frame and the one in which every variable is at its end."""
    limits = stream.packet.vm.vars
    return [frame_of(stream, {name: limit[end] for name, limit in limits.items()})
            for end in (0, 1)]


def walk(stream):
    """(source, source port, destination, port) of the packets until they repeat themselves, all
    variables one step a packet, as TRex does on one core."""
    from scapy.all import IP, TCP, UDP

    packet, vm = stream.packet.pkt, stream.packet.vm
    network, transport = packet[1], packet[TCP if TCP in packet else UDP]
    family = "IP" if IP in packet else "IPv6"
    bits = 0xffffffff
    fixed = {"src": int(ipaddress.ip_address(network.src)) & bits, "sport": transport.sport,
             "dst": int(ipaddress.ip_address(network.dst)) & bits}
    assert {name: field for name, field, _ in vm.writes}.items() <= {
        "src": f"{family}.src", "dst": f"{family}.dst", "sport": f"{transport.name}.sport"}.items()
    assert all(vm.vars[name][3] == "inc" and vm.vars[name][0] == fixed[name] for name in vm.vars)
    spans = [(fixed[name], vm.vars[name][1] - fixed[name] + 1 if name in vm.vars else 1)
             for name in ("src", "sport", "dst")]
    longest = max(count for _, count in spans)
    assert all(longest % count == 0 for _, count in spans), "it would not repeat itself as a whole"
    return [(spans[0][0] + at % spans[0][1], spans[1][0] + at % spans[1][1],
             spans[2][0] + at % spans[2][1], transport.dport) for at in range(longest)]


COMBINATIONS = list(itertools.product(
    SIZES, FLOWS, ("ipv4", "ipv6"), ("tcp", "udp"), ("1", "1000"), ("full", "ip")))


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_every_combination_of_tunables_makes_packets_that_scapy_takes(lab, family, protocol):
    """The frame's size, addresses that are the bench's, and checksums that are right."""
    from scapy.all import Ether, IP, IPv6, TCP, UDP

    for size, flows, _, _, services, checksum in [
            row for row in COMBINATIONS if row[2:4] == (family, protocol)]:
        if (flows, services) == ("1", "1000"):
            continue
        streams = streams_of(lab, "--size", size, "--flows", flows, "--family", family,
                             "--protocol", protocol, "--services", services, "--checksum", checksum)
        rates = {}
        for stream in streams:
            for frame in ends_of(stream):
                network, transport = frame[IP if family == "ipv4" else IPv6], frame[
                    TCP if protocol == "tcp" else UDP]
                least = {"tcp": 20, "udp": 8}[protocol] + {"ipv4": 34, "ipv6": 54}[family] + 4
                wanted = [bytes_ for bytes_ in SIZES[size] if max(bytes_, least) == len(frame) + 4]
                assert len(wanted) == 1, (size, len(frame))
                source = ipaddress.ip_address(network.src)
                assert source in (CLIENTS if family == "ipv4" else CLIENTS6)
                assert 1024 <= transport.sport < 1024 + (1 << 15)
                if family == "ipv4":
                    assert network.len == len(frame) - 14
                else:
                    assert network.plen == len(frame) - 54
                again = frame.copy()
                del again[transport.__class__].chksum
                if checksum == "full":
                    assert Ether(bytes(again))[transport.__class__].chksum == transport.chksum
                if protocol == "tcp":
                    assert transport.flags == "A"
            rates[wanted[0]] = rates.get(wanted[0], 0) + stream.mode.pps
        whole = sum(SIZES[size].values())
        assert rates == pytest.approx({bytes_: lab.trex_stl.PPS * share / whole
                                       for bytes_, share in SIZES[size].items()})


@pytest.mark.parametrize("flows, services, family", [
    ("1", "1", "ipv4"), ("64k", "1", "ipv6"), ("1M", "1", "ipv4"), ("64k", "1000", "ipv4"),
    ("1M", "1000", "ipv6")])
def test_as_many_flows_and_services_are_sent_as_are_asked_for(lab, flows, services, family):
    sent = [flow for stream in streams_of(lab, "--flows", flows, "--services", services,
                                          "--family", family) for flow in walk(stream)]
    wanted = FLOWS[flows] // int(services) * int(services)
    assert len(set(sent)) == len(sent) == wanted
    counts = {}
    for _, _, vip, port in sent:
        counts[vip, port] = counts.get((vip, port), 0) + 1
    assert len(counts) == int(services) and set(counts.values()) == {wanted // int(services)}
    first = 0 if family == "ipv6" else 0xC0000200
    assert {(vip - first, port) for vip, port in counts} == set(
        lab.matrix.services_list("dsr", services))


def test_zipf_gives_each_class_of_flows_its_share(lab):
    streams = streams_of(lab, "--flows", "64k", "--zipf", "1.1")
    flows = [walk(stream) for stream in streams]
    assert len(streams) == 17
    assert [len(each) for each in flows] == [1] + [1 << power for power in range(16)]
    assert len(set(itertools.chain(*flows))) == 1 << 16
    whole = sum(rank ** -1.1 for rank in range(1, (1 << 16) + 1))
    assert streams[0].mode.pps == pytest.approx(lab.trex_stl.PPS / whole)
    per_flow = [stream.mode.pps / len(each) for stream, each in zip(streams, flows)]
    assert per_flow == sorted(per_flow, reverse=True)
    assert sum(stream.mode.pps for stream in streams) == pytest.approx(lab.trex_stl.PPS)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_syns_are_of_any_client_port_and_sequence_number(lab, family):
    from scapy.all import TCP

    stream, = streams_of(lab, "--traffic", "syn", "--family", family, "--forward", "gue")
    limits = stream.packet.vm.vars
    assert limits == {"src": (0x0A000000, 0x0A0FFFFF, 4, "random"),
                      "sport": (1024, 65535, 2, "random"), "seq": (0, 0xFFFFFFFF, 4, "random")}
    for frame, seq in zip(ends_of(stream), (0, 0xFFFFFFFF)):
        assert frame[TCP].flags == "S" and frame[TCP].seq == seq and frame[TCP].dport == 80
        assert frame[1].dst == {"ipv4": "192.0.2.4", "ipv6": "2001:db8::4"}[family]
        assert frame[1].src.startswith({"ipv4": "10.", "ipv6": "2001:db8:100::a0"}[family])


@pytest.mark.parametrize("number, forward", enumerate(["nat", "dsr", "ipip", "gue"], 1))
def test_the_vip_is_that_of_the_forward(lab, number, forward):
    """The vips follow enum config_forward."""
    text = (ROOT / "config" / "config.h").read_text()
    order = re.search(r"enum config_forward \{([^}]*)\}", text)[1].lower()
    assert re.findall(r"config_(\w+)", order)[number - 1] == forward
    stream, = streams_of(lab, "--forward", forward)
    assert stream.packet.pkt[1].dst == f"192.0.2.{number}"


@pytest.mark.parametrize("tunables", [
    ("--size", "65"), ("--flows", "2"), ("--flows", "1", "--services", "1000"), ("--zipf", "4"),
    ("--flows", "1", "--zipf", "1"), ("--services", "1000", "--zipf", "1"), ("--family", "ipx"),
    ("--traffic", "syn", "--protocol", "udp"), ("--traffic", "syn", "--zipf", "1"), ("now",)])
def test_a_stateless_profile_refuses_what_it_cannot_send(lab, tunables, capsys):
    with pytest.raises(SystemExit) as refused:
        streams_of(lab, *tunables)
    assert refused.value.code == 2 and "error:" in capsys.readouterr().err


# ---- connections ---------------------------------------------------------------------------------

def profile_of(lab, *tunables):
    return lab.trex_astf.register().get_profile(tunables=list(tunables))


def played(program):
    """The commands in the order in which a connection meets them."""
    labels, left, done, at = {}, 0, [], 0
    while at < len(program.commands):
        command = program.commands[at]
        at += 1
        if command[0] == "label":
            labels[command[1]] = at
        elif command[0] == "set_var":
            left = command[2]
        elif command[0] == "jmp_nz":
            left -= 1
            at = labels[command[2]] if left else at
        else:
            done.append(command)
    return done


@pytest.mark.parametrize("forward, services, family, rounds, pause, flows", itertools.product(
    ("nat", "dsr"), ("1", "1000"), ("ipv4", "ipv6"), (1, 3), (0, 20),
    (None, "64k", "1M")))
def test_connections_reach_every_service(lab, forward, services, family, rounds, pause, flows):
    profile = profile_of(lab, "--forward", forward, "--services", services, "--family", family,
                         "--rounds", str(rounds), "--pause", str(pause), "--request", "100",
                         "--response", "2000", *(["--flows", flows] if flows else []))
    reached = set()
    for template in profile.templates:
        client, server, addresses = template.client, template.server, template.client.ip_gen
        turn = [("send", 100), ("recv", 2000)] + ([("delay", pause * 1000)] if pause else [])
        assert played(client.program) == turn * rounds
        assert played(server.program) == [("recv", 100), ("send", 2000)] * rounds
        assert server.port == client.port + (8000 if forward == "nat" else 0)
        vips = [int(ipaddress.ip_address(end))
                for end in (addresses.server.first, addresses.server.last)]
        reached |= {(vip, client.port) for vip in range(vips[0], vips[1] + 1)}
        assert ipaddress.ip_address(addresses.client.first) in CLIENTS
        assert ipaddress.ip_address(addresses.client.last) in CLIENTS
        assert addresses.glob.ip_offset_server == "0.0.0.0"
    base = 0 if family == "ipv6" else 0xC0000200
    assert {(vip - base, port) for vip, port in reached} == set(
        lab.matrix.services_list(forward, services))
    assert sum(template.client.cps for template in profile.templates) == pytest.approx(10)
    if flows:
        limits = sum(template.client.limit for template in profile.templates)
        assert FLOWS[flows] - 5 < limits <= FLOWS[flows]
    if family == "ipv6":
        assert vars(profile.client_globals.ipv6) == {
            "enable": 1, "src_msb": "2001:db8:100::", "dst_msb": "2001:db8::"}


@pytest.mark.parametrize("tunables", [
    ("--request", "0"), ("--rounds", "65537"), ("--clients", "65537"), ("--mss", "100"),
    ("--flows", "1", "--services", "1000"), ("--forward", "ipip"), ("now",)])
def test_a_stateful_profile_refuses_what_it_cannot_do(lab, tunables, capsys):
    with pytest.raises(SystemExit) as refused:
        profile_of(lab, *tunables)
    assert refused.value.code == 2 and "error:" in capsys.readouterr().err


# ---- pktgen --------------------------------------------------------------------------------------

def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, **options)


def instances_of(*arguments):
    """What would be written: {thread's file: [devices]}, {device: {key: value}}."""
    done = run([*PKTGEN, "--print", *arguments])
    assert done.returncode == 0 and not done.stderr, done.stderr
    threads, devices = {}, {}
    for line in done.stdout.splitlines():
        where, key, *value = line.replace(":", " ", 1).split()
        if key == "rem_device_all":
            threads[where] = []
        elif key == "add_device":
            threads[where].append(value[0])
            devices[value[0]] = {}
        elif key == "flag":
            devices[where].setdefault("flags", set()).add(value[0])
        else:
            devices[where][key] = " ".join(value)
    return threads, devices


def sent_by(device):
    """As pktgen walks (net/core/pktgen.c, mod_cur_headers): the last address is sent, the last
    port is not; without a range it stays at the first."""
    def number(text):
        return int(ipaddress.ip_address(text)) & 0xffffffff

    ports = int(device["udp_src_max"]) - int(device["udp_src_min"]) or 1
    if "IPV6" in device["flags"]:
        spans = [(number(device["src6"]), 1), (int(device["udp_src_min"]), ports),
                 (number(device["dst6"]), 1)]
    else:
        spans = [(number(device["src_min"]), number(device["src_max"]) -
                  number(device["src_min"]) + 1), (int(device["udp_src_min"]), ports),
                 (number(device["dst_min"]), number(device["dst_max"]) -
                  number(device["dst_min"]) + 1)]
    longest = max(count for _, count in spans)
    assert all(longest % count == 0 for _, count in spans)
    return [tuple(first + at % count for first, count in spans) + (int(device["udp_dst_min"]),)
            for at in range(longest)]


@pytest.mark.parametrize("flows, services, threads", [
    ("1", "1", 1), ("64k", "1", 4), ("1M", "1", 1), ("64k", "1000", 2), ("1M", "1000", 1)])
def test_pktgen_sends_the_flows_that_trex_sends(lab, flows, services, threads):
    by_thread, devices = instances_of("--flows", flows, "--services", services, "--threads",
                                      str(threads), "--first-cpu", "3")
    assert list(by_thread) == [f"kpktgend_{cpu}" for cpu in range(3, 3 + threads)]
    assert len(devices) == sum(map(len, by_thread.values()))
    flow_sets = [sent_by(device) for device in devices.values()]
    sent = set(itertools.chain(*flow_sets))
    assert len(sent) == sum(map(len, flow_sets))
    trex = {flow for stream in streams_of(lab, "--flows", flows, "--services", services,
                                          "--protocol", "udp") for flow in walk(stream)}
    if services == "1":
        assert sent == trex
    else:  # a thread has a whole number of the services' turns
        assert len(trex) * 0.98 < len(sent) <= len(trex)
        assert {flow[2:] for flow in sent} == {flow[2:] for flow in trex}


@pytest.mark.parametrize("flows, threads", [("1", 1), ("64k", 1), ("64k", 4), ("1M", 2)])
def test_pktgen_sends_as_many_flows_over_ipv6(flows, threads):
    _, devices = instances_of("--flows", flows, "--threads", str(threads), "--ipv6")
    flow_sets = [sent_by(device) for device in devices.values()]
    assert len(set(itertools.chain(*flow_sets))) == sum(map(len, flow_sets)) == FLOWS[flows]
    for device in devices.values():
        assert ipaddress.ip_address(device["src6"]) in CLIENTS6
        assert device["dst6"] == "2001:db8::2" and "UDPCSUM" in device["flags"]


def test_pktgen_shares_rate_and_count_among_its_instances():
    _, devices = instances_of("--services", "1000", "--threads", "4", "--rate", "1000003", "--count",
                              "999999", "--size", "imix")
    assert len(devices) == 20
    assert sum(int(device["ratep"]) for device in devices.values()) == 1000003
    assert sum(int(device["count"]) for device in devices.values()) == 999999
    assert {device["imix_weights"] for device in devices.values()} == {"60,7 590,4 1514,1"}
    _, devices = instances_of("--size", "512")
    assert [device["pkt_size"] for device in devices.values()] == ["508"]


@pytest.mark.parametrize("arguments, word", [
    (["--interface", "a/b", "--mac", "02:00:00:00:00:01"], "not a name"),
    (["--mac", "02:00:00:00:00:01"], "--interface is missing"),
    (["--interface", "eth0"], "not a MAC"),
    (["--interface", "eth0", "--mac", "02:00:00:00:00:0g"], "not a MAC"),
    ([*PKTGEN[1:], "--size", "63"], "from 64 to 9018"), ([*PKTGEN[1:], "--size", "big"], "number"),
    ([*PKTGEN[1:], "--flows", "2"], "1, 64k or 1M"), ([*PKTGEN[1:], "--threads", "3"], "power"),
    ([*PKTGEN[1:], "--rate", "-1"], "number"), ([*PKTGEN[1:], "--count"], "wants a value"),
    ([*PKTGEN[1:], "--count", "0"], "from 1"), ([*PKTGEN[1:], "--forward", "x"], "nat, dsr"),
    ([*PKTGEN[1:], "--count", "5", "--seconds", "5"], "not both"),
    ([*PKTGEN[1:], "--services", "10"], "1 or 1000"),
    ([*PKTGEN[1:], "--services", "1000", "--ipv6"], "TRex does"),
    ([*PKTGEN[1:], "--services", "1000", "--flows", "1"], "too few"),
    ([*PKTGEN[1:], "--size", "imix", "--burst", "8"], "one size"),
    ([*PKTGEN[1:], "--fast"], "what is --fast")])
def test_pktgen_refuses_what_it_cannot_send(arguments, word):
    done = run([LAB / "pktgen", "--print", *arguments])
    assert done.returncode == 2 and word in done.stderr and not done.stdout


def fake_pktgen(folder, *files):
    for name, text in files:
        (folder / name).write_text(text)
    return {"PATH": "/usr/bin:/bin", "PKTGEN_PROC": str(folder)}


def test_pktgen_says_that_a_kernel_has_none(tmp_path):
    done = run(PKTGEN, env=dict(fake_pktgen(tmp_path), PATH=f"{tmp_path}/bin:/usr/bin:/bin"))
    assert done.returncode == 3 and "has no pktgen" in done.stderr


def test_pktgen_leaves_somebody_elses_alone(tmp_path):
    other = "Running: \nStopped: eth9@0 \nResult: OK: add_device=eth9@0\n"
    environment = fake_pktgen(tmp_path, ("pgctrl", ""), ("kpktgend_0", other))
    done = run(PKTGEN, env=environment)
    assert done.returncode == 4 and "in use" in done.stderr
    assert (tmp_path / "kpktgend_0").read_text() == other
    done = run([*PKTGEN, "--threads", "2"], env=environment)
    assert done.returncode == 1 and "no CPU 1" in done.stderr


# ---- the config, and IPVS ------------------------------------------------------------------------

def lb_conf(*arguments):
    return run([LAB / "lb-conf", "--front", "eth0", *arguments])


@pytest.fixture(scope="module")
def lbctl():
    subprocess.run(["make", "-s", "build/lbctl"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ROOT / "build" / "lbctl"


@pytest.mark.parametrize("forward, arguments", [
    *((forward, ("--protocol", "both")) for forward in ("nat", "dsr", "ipip", "gue")),
    ("nat", ("--services", "1000", "--front", "eth1", "--back", "eth1", "--mac", "02:00:00:00:00:09")),
    ("gue", ("--services", "1000", "--backends", "30", "--family", "ipv6", "--ring", "10007")),
    ("dsr", ("--backends", "1000", "--protocol", "udp"))])
def test_config_is_taken_and_has_every_service_that_is_asked(lab, lbctl, tmp_path, forward,
                                                             arguments):
    made = lb_conf("--forward", forward, *arguments)
    assert made.returncode == 0, made.stderr
    (tmp_path / "lb.conf").write_text(made.stdout)
    checked = run([lbctl, "check", tmp_path / "lb.conf"])
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr
    wanted = "1000" if "--services" in arguments else "1"
    both = 2 if "both" in arguments else 1
    assert f"{both * int(wanted)} service" in checked.stdout
    vips = re.findall(r'vips = \[.*"2001:db8::(\w+)" \]; ports = \[ (\d+) \]', made.stdout)
    assert {(int(vip, 16), int(port)) for vip, port in vips} == set(
        lab.matrix.services_list(forward, wanted))
    if forward == "nat":
        listening = set(re.findall(r" port = (\d+);", made.stdout))
        assert listening == {str(8000 + int(port)) for _, port in vips}


@pytest.mark.parametrize("arguments, word", [
    (("--backends", "0"), "1 to 1000"), (("--back", "eth1"), "both or none"),
    (("--services", "1000", "--backends", "100"), "32767 at most"), (("--forward", "x"), "choose"),
    (("--back", "eth1", "--mac", "x"), "not a MAC")])
def test_config_is_not_made_of_what_lbd_would_refuse(arguments, word):
    done = lb_conf(*arguments)
    assert done.returncode == 2 and word in done.stderr and not done.stdout


@pytest.mark.parametrize("arguments, word", [
    (["--forward", "gue"], "dsr, nat or ipip"), (["--flows", "7"], "1, 64k or 1M"),
    (["--rounds", "0"], "from 1"), (["--scheduler", "m h"], "not a name"),
    (["--backends", "201"], "to 200"), (["--count"], "wants a value"), (["now"], "what is now")])
def test_the_comparison_with_ipvs_refuses_wrong_usage(arguments, word):
    done = run([ROOT / "bench" / "ipvs", *arguments])
    assert done.returncode == 2 and word in done.stderr and not done.stdout


@pytest.mark.skipif(pathlib.Path("/proc/net/ip_vs").exists(), reason="this kernel has IPVS")
def test_a_host_without_ipvs_is_told_so_in_one_sentence():
    done = run([ROOT / "bench" / "ipvs"], env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 3 and not done.stdout
    assert done.stderr.count("\n") == 1 and "has no IPVS" in done.stderr


def test_python_of_the_lab_compiles(tmp_path):
    for number, path in enumerate([*LAB.glob("*.py"), LAB / "lb-conf"]):
        done = run([sys.executable, "-c", "import py_compile, sys; py_compile.compile(sys.argv[1],"
                    " sys.argv[2], doraise=True)", path, tmp_path / str(number)])
        assert done.returncode == 0, done.stderr
