# SPDX-License-Identifier: GPL-2.0-or-later
"""TRex, stateful (ASTF): real TCP connections from clients on one port, by way of the balancer, to
servers on the other. TRex's servers answer to any address, so they are all backends of
bench/lab/lb-conf at once; they do not unwrap, so nat and dsr are what there is. With TRex started by "--astf -i", in its console:

  start -f bench/lab/trex_astf.py -m 1000 -t --forward nat    new connections a second
  start -f bench/lab/trex_astf.py -m 10 -t --response 1000000    download
  start -f bench/lab/trex_astf.py -m 10 -t --request 1000000    upload
  start -f bench/lab/trex_astf.py -m 100 -t --rounds 60 --pause 1000 --flows 64k    open at once

The rate is -m's times ten connections a second, over all services. See docs/lab.md."""
import argparse
import os
import sys

from trex.astf.api import *

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix  # noqa: E402

CLIENTS_MAX = 1 << 16  # a pair of ports; the next pair has the next so many
BYTES_MAX = 1 << 30
CPS = 10  # of all templates together, times -m; TRex wants half a one of each


def number(low, high):
    def convert(text):
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not from {low} to {high}")
        return value
    return convert


def arguments_parse(tunables):
    parser = argparse.ArgumentParser(prog="trex_astf.py", description="connections")
    parser.add_argument("--request", type=number(1, BYTES_MAX), default=64, metavar="BYTES")
    parser.add_argument("--response", type=number(1, BYTES_MAX), default=64, metavar="BYTES")
    parser.add_argument("--rounds", type=number(1, 1 << 16), default=1, metavar="N",
                        help="requests of a connection")
    parser.add_argument("--pause", type=number(0, 60000), default=0, metavar="MS",
                        help="of a client after each answer")
    parser.add_argument("--flows", choices=list(matrix.FLOWS),
                        help="connections that are open at once, at the most")
    parser.add_argument("--clients", type=number(1, CLIENTS_MAX), default=CLIENTS_MAX,
                        metavar="N", help="addresses")
    parser.add_argument("--mss", type=number(400, 8960), metavar="BYTES",
                        help="of a segment with its options; 454 makes frames of 512 bytes")
    parser.add_argument("--family", choices=["ipv4", "ipv6"], default="ipv4")
    parser.add_argument("--forward", choices=matrix.FORWARDS[:2], default="nat",
                        help="which service of lb-conf is asked")
    parser.add_argument("--services", choices=list(matrix.SERVICES), default="1")
    arguments = parser.parse_args(tunables)
    ports = matrix.SERVICES[arguments.services][1]
    if arguments.flows and matrix.FLOWS[arguments.flows] < ports:
        parser.error(f"--flows: at least {ports} for {arguments.services} services")
    return arguments


def programs_build(arguments):
    """What a client does, and what a server does. Both see whole streams, not packets."""
    client, server = ASTFProgram(), ASTFProgram()
    if arguments.rounds > 1:
        for side in (client, server):
            side.set_var("left", arguments.rounds)
            side.set_label("again:")
    client.send("", size=arguments.request, fill="q")
    server.recv(arguments.request, clear=True)
    server.send("", size=arguments.response, fill="r")
    client.recv(arguments.response, clear=True)
    if arguments.pause:
        client.delay(arguments.pause * 1000)
    if arguments.rounds > 1:
        for side in (client, server):
            side.jmp_nz("left", "again:")
    return client, server


def addresses_build(arguments):
    """IPv6 addresses have TRex's prefix before the 32 bits that are generated."""
    vips = matrix.SERVICES[arguments.services][0]
    first = matrix.vip_first(arguments.forward, arguments.services)
    base = 0 if arguments.family == "ipv6" else matrix.VIP4
    return ASTFIPGen(
        glob=ASTFIPGenGlobal(ip_offset=matrix.address4(CLIENTS_MAX), ip_offset_server="0.0.0.0"),
        dist_client=ASTFIPGenDist(ip_range=[matrix.address4(matrix.CLIENT),
                                            matrix.address4(matrix.CLIENT + arguments.clients - 1)],
                                  distribution="seq"),
        dist_server=ASTFIPGenDist(ip_range=[matrix.address4(base + first),
                                            matrix.address4(base + first + vips - 1)],
                                  distribution="seq"))


def globals_build(arguments):
    """For the client's side, and for the server's."""
    client, server = ASTFGlobalInfo(), ASTFGlobalInfo()
    if arguments.family == "ipv6":
        client.ipv6.enable = 1
        client.ipv6.src_msb = matrix.CLIENT6_PREFIX
        client.ipv6.dst_msb = matrix.VIP6_PREFIX
    if arguments.mss:
        client.tcp.mss = server.tcp.mss = arguments.mss
    return client, server


def template_build(arguments, addresses, programs, port, count):
    """One for each port, since TRex tells its servers apart by it: nat's backends listen on one
    of their own for each."""
    served = matrix.BACKEND_PORT + port if arguments.forward == "nat" else port
    limit = matrix.FLOWS[arguments.flows] // count if arguments.flows else None
    return ASTFTemplate(
        client_template=ASTFTCPClientTemplate(ip_gen=addresses, program=programs[0], port=port,
                                              cps=CPS / count, limit=limit,
                                              cont=True if limit else None),
        server_template=ASTFTCPServerTemplate(program=programs[1],
                                              assoc=ASTFAssociationRule(port=served)))


class Profile:
    def get_profile(self, tunables=(), **kwargs):
        arguments = arguments_parse(list(tunables))
        ports = matrix.SERVICES[arguments.services][1]
        programs, addresses = programs_build(arguments), addresses_build(arguments)
        client, server = globals_build(arguments)
        return ASTFProfile(default_ip_gen=addresses, default_c_glob_info=client,
                           default_s_glob_info=server,
                           templates=[template_build(arguments, addresses, programs,
                                                     matrix.PORT + port, ports)
                                      for port in range(ports)])


def register():
    return Profile()
