# SPDX-License-Identifier: GPL-2.0-or-later
"""TRex, stateless: single packets to the vips of bench/lab/lb-conf, one point of the bench's matrix
a start. From TRex's console, on the port that faces the balancer:

  start -f bench/lab/trex_stl.py -p 0 -m 10mpps -t --size 64 --flows 1M
  start -f bench/lab/trex_stl.py -p 0 -m 100% -t --traffic syn --family ipv6
  start -f bench/lab/trex_stl.py -p 0 -m 5mpps -t --size imix --services 1000 --forward nat

The rate is -m's; the profile only says in which proportions its streams share it. MACs are those of
the port's configuration: the next hop must be the balancer's front. See docs/lab.md."""
import argparse
import os
import sys

from trex.stl.api import *
from scapy.all import IPv6

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix  # noqa: E402

PPS = 1000  # of all streams together, where no -m says more


def arguments_parse(tunables):
    parser = argparse.ArgumentParser(prog="trex_stl.py", description="the bench's matrix")
    parser.add_argument("--size", choices=list(matrix.SIZES), default="64",
                        help="bytes of a frame with its checksum")
    parser.add_argument("--flows", choices=list(matrix.FLOWS), default="1M")
    parser.add_argument("--zipf", type=float, default=0.0, metavar="S",
                        help="flow r gets a share of r^-S (by classes); 0: all the same")
    parser.add_argument("--traffic", choices=["ack", "syn"], default="ack",
                        help="packets of established TCP flows, or SYNs of flows never seen")
    parser.add_argument("--protocol", choices=["tcp", "udp"], default="tcp")
    parser.add_argument("--family", choices=["ipv4", "ipv6"], default="ipv4")
    parser.add_argument("--forward", choices=matrix.FORWARDS, default="dsr",
                        help="which service of lb-conf is asked")
    parser.add_argument("--services", choices=list(matrix.SERVICES), default="1")
    parser.add_argument("--checksum", choices=["full", "ip"], default="full",
                        help="ip: leaves that of TCP or UDP wrong, which lb does not look at")
    arguments = parser.parse_args(tunables)
    if not 0 <= arguments.zipf <= matrix.ZIPF_MAX:
        parser.error(f"--zipf: from 0 to {matrix.ZIPF_MAX:g}")
    if arguments.traffic == "syn" and (arguments.protocol == "udp" or arguments.zipf):
        parser.error("--traffic syn: TCP, and no flow comes twice, so --zipf says nothing")
    try:
        arguments.runs = matrix.runs(matrix.FLOWS[arguments.flows], arguments.forward,
                                     arguments.services, arguments.zipf)
    except matrix.Contradiction as wrong:
        parser.error(str(wrong))
    return arguments


def packet_build(arguments, run, size):
    """A frame of `size` bytes, or of as many as its headers need: 78 for IPv6 and TCP."""
    if arguments.protocol == "udp":
        transport = UDP(sport=matrix.SOURCE_PORT, dport=run.port)
    else:
        syn = arguments.traffic == "syn"
        transport = TCP(sport=matrix.SOURCE_PORT, dport=run.port, seq=0 if syn else 1,
                        flags="S" if syn else "A", window=1024)
    if arguments.family == "ipv6":
        client = f"{matrix.CLIENT6_PREFIX}{run.client >> 16:x}:{run.client & 0xffff:x}"
        network = IPv6(src=client, dst=f"{matrix.VIP6_PREFIX}{run.vip:x}")
    else:
        network = IP(src=matrix.address4(run.client), dst=matrix.address4(matrix.VIP4 + run.vip))
    packet = Ether() / network / transport
    return packet / (b"\0" * max(0, size - matrix.FCS - len(packet)))


class Fields:
    """The field engine's program for one stream. An address is its last 32 bits."""

    def __init__(self, arguments):
        self.ipv6 = arguments.family == "ipv6"
        self.network = "IPv6" if self.ipv6 else "IP"
        self.transport = arguments.protocol.upper()
        self.op = "random" if arguments.traffic == "syn" else "inc"
        self.vm = STLVM()

    def vary(self, name, first, count, size, field, fixup=0):
        if count > 1:
            self.vm.var(name=name, min_value=first, max_value=first + count - 1, size=size,
                        op=self.op)
            self.vm.write(fv_name=name, pkt_offset=field, offset_fixup=fixup)

    def vary_address(self, name, first, count):
        self.vary(name, first, count, 4, f"{self.network}.{name}", 12 if self.ipv6 else 0)

    def mend(self, checksum):
        """Last, over all that was written."""
        if checksum == "full":
            kind = getattr(CTRexVmInsFixHwCs, f"L4_TYPE_{self.transport}")
            self.vm.fix_chksum_hw(l3_offset=self.network, l4_offset=self.transport, l4_type=kind)
        elif not self.ipv6:
            self.vm.fix_chksum(offset="IP")


def fields_program(arguments, run):
    fields = Fields(arguments)
    vip = run.vip if fields.ipv6 else matrix.VIP4 + run.vip
    sport = f"{fields.transport}.sport"
    if arguments.traffic == "syn":
        # Never the same again: any client, any port, any sequence number.
        fields.vary_address("src", matrix.CLIENT, matrix.FLOWS["1M"])
        fields.vary("sport", matrix.SOURCE_PORT, 65536 - matrix.SOURCE_PORT, 2, sport)
        fields.vary("seq", 0, 1 << 32, 4, "TCP.seq")
    else:
        fields.vary_address("src", run.client, run.clients)
        fields.vary("sport", matrix.SOURCE_PORT, run.ports, 2, sport)
    fields.vary_address("dst", vip, run.vips)
    fields.mend(arguments.checksum)
    return fields.vm


class Profile:
    def get_streams(self, tunables=(), direction=0, **kwargs):
        """Clients stand on one side only: whoever starts the other port gets the same."""
        arguments = arguments_parse(list(tunables))
        sizes = matrix.SIZES[arguments.size]
        packets = sum(share for _, share in sizes)
        return [STLStream(packet=STLPktBuilder(pkt=packet_build(arguments, run, size),
                                               vm=fields_program(arguments, run)),
                          mode=STLTXCont(pps=PPS * run.share * share / packets))
                for run in arguments.runs for size, share in sizes]


def register():
    return Profile()
