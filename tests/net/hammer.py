# SPDX-License-Identifier: GPL-2.0-or-later
"""hammer.py ADDRESS PORT ...: connects to the ports in turn until SIGTERM. One JSON line for each
change of what becomes of a port ("ok", or the errno's name), and at the end how often each was
seen. Connections are reset at once, so that none of them stays in the way."""

import collections
import errno
import json
import signal
import socket
import struct
import sys

TIMEOUT = 3  # seconds: then nobody has said anything


def attempt(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            sock.connect((address, port))
        except TimeoutError:
            return "ETIMEDOUT"
        except OSError as error:
            return errno.errorcode[error.errno]
    return "ok"


def tell(**line):
    print(json.dumps(line), flush=True)


def main():
    address, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
    counts = {port: collections.Counter() for port in ports}
    last, ended = {}, []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    tell(event="ready")
    while not ended:
        for port in ports:
            outcome = attempt(address, port)
            counts[port][outcome] += 1
            if last.get(port) != outcome:
                last[port] = outcome
                tell(event="change", port=port, outcome=outcome)
    tell(event="end", counts=counts)


main()
