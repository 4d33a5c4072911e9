# SPDX-License-Identifier: GPL-2.0-or-later
"""plan and reload: what is said is what happens, traffic does not notice, and what is refused
changes nothing."""

import signal

import pytest

from balancer import TUNING, backend, config, service
from lab import wait_for
from topology import VIP4, VIP6, VIPS, vip_on_lo
from traffic import Requests, curl, curl_many

OTHER_VIPS = ("203.0.113.11", "2001:db8::11")
SPARE_VIPS = ("203.0.113.12", "203.0.113.13")


@pytest.fixture(name="network", scope="module")
def fixture_network(bridged):
    vip_on_lo(bridged.servers[0], *SPARE_VIPS)
    return bridged


def web(network, *numbers, extra=""):
    return service("web", VIPS, [backend(f"c{i}", *network.addresses(i)) for i in numbers],
                   extra=extra)


def other(network, vips=OTHER_VIPS, name="other"):
    """A service of its own: another port of c3, that nothing listens to."""
    return service(name, vips, [backend("c3", *network.addresses(3)[:len(vips)], port=8089)])


def spare(network):
    """With a vip that can be taken away, which only DSR can have."""
    return service("spare", SPARE_VIPS, [backend("c1", network.addresses(1)[0], port=None)],
                   ports=[8080], forward="dsr")


@pytest.fixture(name="running")
def fixture_running(network, lbd):
    return lbd.start(config(web(network, 1, 2)))


def share_of(plan, name):
    return next(row for row in plan["services"] if row["name"] == name)


def test_a_plan_says_what_the_reload_then_does_and_changes_nothing(network, running):
    before = running.show()
    running.conf.write_text(config(web(network, 1, 2, 3), other(network)))
    planned = running.json("plan")
    assert running.show()["services"] == before["services"]
    assert "+ backend web/c3 10.1.0.4:8080 by v3" in planned["operations"]
    assert "+ service other" in planned["operations"]
    assert 0.3 < share_of(planned, "web")["share_moved"] < 0.37
    assert share_of(planned, "web")["breaks"] is False
    done = running.json("reload")
    assert done["operations"] == planned["operations"]
    assert done["services"] == planned["services"]
    assert running.plan_is_empty()
    assert set(curl_many(network.client, VIP4, 60)) == {"c1", "c2", "c3"}


def test_the_printed_plan_is_one_line_an_operation(network, running):
    running.conf.write_text(config(web(network, 1, 2, 3)))
    text = running.ctl("plan").stdout
    assert "  + backend web/c3 10.1.0.4:8080 by v3\n" in text
    assert "  ~ ring web IPv4: " in text
    running.ctl("reload")
    assert running.ctl("plan").stdout.startswith(
        "nothing to do: the kernel has it like this already\n")


@pytest.mark.parametrize("vip", VIPS)
def test_an_unrelated_service_does_not_notice_reloads(network, running, vip):
    running.reload(config(web(network, 1, 2), other(network)))
    with Requests(network.client, vip) as requests:
        for text in (config(web(network, 1, 2), other(network, OTHER_VIPS[:1])),
                     config(web(network, 1, 2)),
                     config(other(network), web(network, 1, 2)),
                     config(web(network, 1, 2), other(network, name="renamed")),
                     config(web(network, 1, 2), other(network))):
            running.conf.write_text(text)
            running.json("reload", "--break", "other", "--break", "renamed")
            requests.wait_more(20)
    assert requests.failed == []
    assert requests.done > 100


@pytest.mark.parametrize("vip", VIPS)
def test_requests_go_on_while_a_backend_is_added_and_used(network, running, vip):
    with Requests(network.client, vip) as requests:
        running.reload(config(web(network, 1, 2, 3)))
        requests.wait_more(100)
    assert requests.failed == []
    assert set(curl_many(network.client, vip, 60)) == {"c1", "c2", "c3"}
    for row in running.rows("web/c3"):
        assert 0.3 < row["share"] < 0.37


def test_a_file_is_applied_once_and_hangup_returns_to_the_first(network, running):
    once = running.dir / "once.conf"
    once.write_text(config(web(network, 1, 2, 3)))
    running.ctl("reload", once)
    shown = running.show()["config"]
    assert (shown["file"], shown["source"]) == (str(once), "once")
    assert running.rows("web/c3")
    running.process.signal(signal.SIGHUP)
    wait_for(lambda: not running.rows("web/c3"), "the first config again")
    shown = running.show()["config"]
    assert (shown["file"], shown["source"]) == (str(running.conf), "-c")


def test_previous_goes_back_and_forth(network, running):
    refused = running.ctl("reload", "--previous", check=False)
    assert refused.returncode == 1
    assert "there is no previous config to go back to" in refused.stderr
    running.reload(config(web(network, 1, 2, 3)))
    running.ctl("reload", "--previous")
    assert not running.rows("web/c3")
    assert running.show()["config"]["source"] == "previous"
    running.ctl("reload", "--previous")
    assert running.rows("web/c3")


def test_a_previous_config_with_an_include_is_refused_for_its_parts_are_not_kept(network, running):
    """What was included may have changed on disk, and is not the previous config then."""
    plain = config(web(network, 1, 2, 3))
    part = running.dir / "tuning.part"
    part.write_text(TUNING)
    running.reload('@include "tuning.part"\n' + plain.replace(TUNING.rstrip(), ""))
    running.reload(plain)
    refused = running.ctl("reload", "--previous", check=False)
    assert refused.returncode == 1
    assert "the previous config has an @include, and what it included is not kept" in refused.stderr
    assert running.show()["config"]["source"] == "-c"
    assert running.rows("web/c3") and running.plan_is_empty()


def test_who_is_told_that_a_service_is_down_can_be_changed_under_live_flows(network, running):
    running.reload(config(web(network, 1, 2)))
    with Requests(network.client, VIP4) as requests:
        for word in ("reject", "drop"):
            done = running.reload(config(web(network, 1, 2, extra=f'when_down = "{word}";')))
            assert done["operations"] == ["~ table of virtual addresses"]
            assert done["services"] == []
            assert running.plan_is_empty()
            running.stop()
            running.start()
            assert running.plan_is_empty()
            requests.wait_more(20)
    assert requests.failed == []


BAD = {
    "syntax": (lambda text: text.replace("services = (", "services = ", 1), "syntax error"),
    "unknown key": (lambda text: text.replace("forward =", "foward ="),
                    'unknown key "foward" in service "web"; did you mean "forward"?'),
    "missing interface": (lambda text: text.replace('"front0"', '"nowhere0"'),
                          'interface "nowhere0" does not exist'),
    "another table size": (lambda text: text.replace("65536", "131072"),
                           "tuning.max_slots is 131072, but the tables were made with 65536"),
    "a vip taken away": (lambda text: text.replace(f', "{SPARE_VIPS[1]}"', ""),
                         'service "spare": its live flows would break'),
    "another protocol": (lambda text: text.replace('"tcp"', '"udp"'),
                         'service "web": its live flows would break'),
    "another seed": (lambda text: text.replace("net tests", "other seed"),
                     'service "web": its live flows would break'),
    "ring too large": (lambda text: text.replace('forward = "nat"; ',
                                                 'forward = "nat"; ring_size = 65537; '),
                       "slots"),
}


@pytest.mark.parametrize("verb", ["reload", "SIGHUP"])
@pytest.mark.parametrize("name", BAD)
def test_a_refused_file_changes_nothing(network, running, name, verb):
    spoil, sentence = BAD[name]
    running.reload(config(web(network, 1, 2), spare(network)))
    before, good = running.show(), running.conf.read_text()
    running.conf.write_text(spoil(good))
    assert running.conf.read_text() != good
    if verb == "SIGHUP":
        running.process.signal(signal.SIGHUP)
        running.wait_log("SIGHUP: reload refused, the running config stays")
        assert sentence in running.process.output()
    else:
        refused = running.ctl("reload", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert sentence in refused.stderr
    after = running.show()
    assert after["services"] == before["services"]
    assert after["config"] == before["config"]
    assert curl(network.client, VIP4) and curl(network.client, VIP6)
    running.conf.write_text(good)
    assert running.plan_is_empty()


def test_a_break_that_is_meant_is_carried_out(network, running):
    text = config(web(network, 1, 2), spare(network))
    running.reload(text)
    assert curl(network.client, SPARE_VIPS[1], 8080)
    running.conf.write_text(text.replace(f', "{SPARE_VIPS[1]}"', ""))
    planned = share_of(running.json("plan"), "spare")
    assert planned["breaks"] is True and planned["why"]
    assert running.ctl("reload", "--break", "web", check=False).returncode == 1
    assert curl(network.client, SPARE_VIPS[1], 8080)
    running.ctl("reload", "--break", "spare")
    assert running.show()["services"][1]["vips"] == [SPARE_VIPS[0]]
    assert curl(network.client, SPARE_VIPS[0], 8080)
    assert curl(network.client, SPARE_VIPS[1], 8080, check=False, seconds=1) is None


def test_the_mode_of_an_interface_can_be_changed(network, running):
    for mode in ("generic", "native"):
        running.reload(config(web(network, 1, 2), interfaces=(f'"front0"; mode = "{mode}";',)))
        assert running.interface("front0")["mode"] == mode
        assert curl(network.client, VIP4) and curl(network.client, VIP6)
        assert running.plan_is_empty()


def test_many_reloads_under_traffic_leave_what_one_would(network, running):
    """Halves of tables are flipped and runs of slots reused: nothing may leak or be mixed."""
    texts = [config(web(network, 1, 2), *[
        other(network, [f"203.0.113.{100 + i}"], name=f"other{i}").replace("8089", str(9100 + i))
        for i in range(count)]) for count in (1, 12, 3, 0, 7, 0)]
    with Requests(network.client, VIP4) as requests:
        for text in texts * 3:
            running.conf.write_text(text)
            running.json("reload", *[word for i in range(12)
                                     for word in ("--break", f"other{i}")])
        requests.wait_more(20)
    assert requests.failed == []
    running.reload(texts[-1])
    assert [row["name"] for row in running.show()["services"]] == ["web"]
    assert running.plan_is_empty()
