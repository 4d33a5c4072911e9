# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of TRex's trex.astf.api as bench/lab/trex_astf.py uses, by the same names and arguments.
It keeps what it was told, for the test to look at. Other arguments are errors."""
import types


class ASTFProgram:
    def __init__(self):
        self.commands = []

    def send(self, buf, size=0, fill=None):
        assert fill and size >= len(buf)
        self.commands.append(("send", size))

    def recv(self, bytes, clear=False):
        assert clear, "what came before must not count again"
        self.commands.append(("recv", bytes))

    def delay(self, usec):
        self.commands.append(("delay", usec))

    def set_var(self, var_id, val):
        self.commands.append(("set_var", var_id, val))

    def set_label(self, label):
        assert label.endswith(":")
        self.commands.append(("label", label))

    def jmp_nz(self, var_id, label):
        assert ("label", label) in self.commands
        self.commands.append(("jmp_nz", var_id, label))


class ASTFGlobalInfo:
    def __init__(self):
        self.ipv6, self.tcp = types.SimpleNamespace(), types.SimpleNamespace()


class ASTFIPGenDist:
    def __init__(self, ip_range, distribution="seq"):
        self.first, self.last = ip_range


class ASTFIPGenGlobal:
    def __init__(self, ip_offset, ip_offset_server=None):
        self.ip_offset, self.ip_offset_server = ip_offset, ip_offset_server


class ASTFIPGen:
    def __init__(self, dist_client, dist_server, glob):
        self.client, self.server, self.glob = dist_client, dist_server, glob


class ASTFAssociationRule:
    def __init__(self, port):
        self.port = port


class ASTFTCPClientTemplate:
    def __init__(self, ip_gen, program, port, cps, limit=None, cont=None):
        assert cps >= 0.5, "the least that TRex takes"
        assert limit is None or cont
        self.ip_gen, self.program, self.port, self.cps = ip_gen, program, port, cps
        self.limit = limit


class ASTFTCPServerTemplate:
    def __init__(self, program, assoc):
        self.program, self.port = program, assoc.port


class ASTFTemplate:
    def __init__(self, client_template, server_template):
        self.client, self.server = client_template, server_template


class ASTFProfile:
    def __init__(self, default_ip_gen, default_c_glob_info, default_s_glob_info, templates):
        self.client_globals, self.server_globals = default_c_glob_info, default_s_glob_info
        self.templates = templates
        ports = [template.server.port for template in templates]
        assert len(set(ports)) == len(ports), "TRex tells servers apart by port"
