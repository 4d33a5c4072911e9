# SPDX-License-Identifier: GPL-2.0-or-later
"""Large transfers through NAT: whole GSO packets one way, full frames the other, and the same
file at the end."""

import hashlib
import random

import pytest

from balancer import backend, config, service
from topology import VIPS
from traffic import HashServer, download, upload

SIZE = 100_000_007  # odd, so that the last segment is


@pytest.fixture(name="network", scope="module", params=["bridged", "routed"])
def fixture_network(request):
    network = request.getfixturevalue(request.param)
    for host in network.servers:
        HashServer(host)
    return network


@pytest.fixture(name="balanced", scope="module", autouse=True)
def fixture_balanced(network, make_module_balancer):
    addresses = [network.addresses(number) for number in (1, 2, 3)]
    return make_module_balancer(network.edge).start(config(
        service("web", VIPS, [backend(f"c{i}", *pair) for i, pair in enumerate(addresses, 1)]),
        service("hash", VIPS, [backend(f"c{i}", *pair, port=9000)
                               for i, pair in enumerate(addresses, 1)], ports=[81])))


@pytest.fixture(name="file", scope="module")
def fixture_file(network):
    path = network.lab.tmp / "files" / "large"
    path.write_bytes(random.Random(1).randbytes(SIZE))
    with open(path, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    yield path, digest
    path.unlink()


@pytest.mark.parametrize("vip", VIPS)
def test_a_large_download_arrives_whole(network, file, vip):
    path, digest = file
    assert download(network.client, vip, 80, f"/files/{path.name}") == digest


@pytest.mark.parametrize("vip", VIPS)
def test_a_large_upload_arrives_whole(network, file, vip):
    path, digest = file
    assert upload(network.client, vip, 81, path) == digest


def test_a_download_is_segmented_right_without_offloads_behind_lb_reply(network, file):
    """The front takes neither GSO nor partial checksums: the kernel makes what leaves it from
    what lb_reply translated, and the client's kernel checks every segment."""
    path, digest = file
    network.edge.ethtool("front0", "tx", "off", "tso", "off", "gso", "off")
    try:
        assert download(network.client, VIPS[0], 80, f"/files/{path.name}") == digest
        assert download(network.client, VIPS[1], 80, f"/files/{path.name}") == digest
    finally:
        network.edge.ethtool("front0", "tx", "on", "tso", "on", "gso", "on")
