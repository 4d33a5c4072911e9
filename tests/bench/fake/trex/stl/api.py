# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of TRex's trex.stl.api as bench/lab/trex_stl.py uses, by the same names and arguments. It
builds nothing: it keeps what it was told, for the test to look at. Other arguments are errors."""
import functools

from scapy.all import IP, TCP, UDP, Ether as ScapyEther

# TRex fills in the MACs of the port's configuration; scapy alone would ask the network.
Ether = functools.partial(ScapyEther, src="02:00:00:00:00:02", dst="02:00:00:00:00:01")


class CTRexVmInsFixHwCs:
    L4_TYPE_UDP = 11
    L4_TYPE_TCP = 13


class STLVM:
    def __init__(self):
        self.vars, self.writes, self.fixes = {}, [], []

    def var(self, name, min_value, max_value, size, op):
        assert name not in self.vars and size in (1, 2, 4, 8) and op in ("inc", "dec", "random")
        assert 0 <= min_value <= max_value < 1 << 8 * size
        self.vars[name] = (min_value, max_value, size, op)

    def write(self, fv_name, pkt_offset, offset_fixup=0):
        assert not self.fixes, "checksums are mended last"
        self.writes.append((fv_name, pkt_offset, offset_fixup))

    def fix_chksum(self, offset="IP"):
        self.fixes.append(("ip", offset))

    def fix_chksum_hw(self, l3_offset, l4_offset, l4_type):
        self.fixes.append(("full", l3_offset, l4_offset, l4_type))


class STLPktBuilder:
    def __init__(self, pkt, vm):
        self.pkt, self.vm = pkt, vm


class STLTXCont:
    def __init__(self, pps):
        self.pps = pps


class STLStream:
    def __init__(self, packet, mode):
        self.packet, self.mode = packet, mode
