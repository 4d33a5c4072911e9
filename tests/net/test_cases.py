# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets in, packets out: the cases of tests/cases, and a sample of what the fuzzer had sent on,
with scapy as the judge of both. No daemon runs here, and no interface is touched."""

import os
import pathlib
import subprocess

import pytest
from scapy.all import (ICMP, IP, TCP, UDP, Ether, ICMPv6DestUnreach, ICMPv6EchoReply,
                       ICMPv6EchoRequest, ICMPv6PacketTooBig, ICMPv6ParamProblem,
                       ICMPv6TimeExceeded, IPv6, IPv6ExtHdrFragment, rdpcap)

from balancer import LBCTL

CASES = pathlib.Path(__file__).parents[1] / "cases"
FUZZ = LBCTL.parent / "tests" / "test_fuzz"
NAMES = sorted(path.stem for path in CASES.glob("*.txt"))
ICMPV6 = (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, ICMPv6ParamProblem,
          ICMPv6EchoRequest, ICMPv6EchoReply)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="running BPF programs needs root")


def run(*command, **environment):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=240, cwd=CASES, check=False, env={**os.environ, **environment})


# ---- cases ---------------------------------------------------------------------------------------

def lines_bound(wanted, seen):
    """The wanted lines, with each word that begins with "?" as it is seen first."""
    bound = {}
    for want, line in zip(wanted, seen):
        for word, actual in zip(want.split(), line.split()):
            if word.startswith("?"):
                bound.setdefault(word, actual)
    return [" ".join(bound.get(word, word) for word in want.split()) for want in wanted]


def frames_of(path):
    return [bytes(frame) for frame in rdpcap(str(path))]


@pytest.mark.parametrize("name", NAMES)
def test_case(name, tmp_path):
    sentence, arguments, *wanted = (CASES / f"{name}.txt").read_text("utf-8").splitlines()
    out = tmp_path / "out.pcap"
    result = run(LBCTL, "replay", f"{name}.in.pcap", out, *arguments.split())
    assert (result.returncode, result.stderr) == (0, ""), sentence
    seen = result.stdout.splitlines()
    assert seen == lines_bound(wanted, seen), sentence
    left, expected = frames_of(out), frames_of(CASES / f"{name}.out.pcap")
    for number, (frame, want) in enumerate(zip(left, expected), 1):
        assert frame == want, (f"{sentence}\nframe {number} that left:\n"
                               f"{Ether(frame).show(dump=True)}\nwanted:\n"
                               f"{Ether(want).show(dump=True)}")
    assert len(left) == len(expected), sentence


def test_cases_are_what_their_words_say(tmp_path):
    assert run(CASES / "make", tmp_path).returncode == 0
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in CASES.iterdir()
            if path.suffix in (".txt", ".pcap")}
    assert len(NAMES) >= 25
    assert sorted(made) == sorted(kept)
    assert [name for name in made if made[name] != kept[name]] == []


# ---- the fuzzer's sample -------------------------------------------------------------------------

# What an ICMP error quotes is of other classes, which inherit from these: hence no isinstance().
# pylint: disable=unidiomatic-typecheck


def layers_of(packet):
    while packet:
        yield packet
        packet = packet.payload


def is_fragment(layer):
    if type(layer) is IP:
        return bool(layer.frag or layer.flags.MF)
    return isinstance(layer, IPv6ExtHdrFragment)


def rebuilt(frame):
    """The frame with every length and checksum computed anew by scapy, encapsulated or not. What is
    in a fragment stays, and so does a UDP checksum of 0, which says that there is none."""
    fresh = Ether(frame)
    whole = True
    for layer in layers_of(fresh):
        whole = whole and not is_fragment(layer)
        if type(layer) is IPv6:
            del layer.plen
        elif type(layer) is IP:
            del layer.chksum, layer.len, layer.ihl
        elif whole and type(layer) in (TCP, ICMP):
            del layer.chksum
        elif whole and type(layer) is UDP and layer.chksum:
            del layer.chksum, layer.len
        elif whole and isinstance(layer, ICMPV6):
            del layer.cksum
    return bytes(fresh)


def test_what_the_fuzzer_had_sent_on_is_right_for_scapy(tmp_path):
    sample = tmp_path / "sample.pcap"
    result = run(FUZZ, FUZZ_PACKETS="20000", FUZZ_SEED="77000", FUZZ_SAMPLE=str(sample))
    assert result.returncode == 0, result.stdout
    frames = frames_of(sample)
    right = 0
    for came, left in zip(frames[::2], frames[1::2]):
        if rebuilt(came) != came:
            continue
        right += 1
        assert rebuilt(left) == left, (f"came:\n{Ether(came).show(dump=True)}\nleft:\n"
                                       f"{Ether(left).show(dump=True)}")
    assert len(frames) == 4000 and right > 500
