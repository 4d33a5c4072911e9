# SPDX-License-Identifier: GPL-2.0-or-later
"""A real InfluxDB, a target that behaves as a test wants it to, and points for both: through
lb/influx.c, whose program is points.c."""

import contextlib
import http.server
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse

from lab import PATIENCE, wait_for

POINTS = pathlib.Path(__file__).resolve().parents[2] / "build" / "points"
PORT = 8086

INFLUXD_CONF = """
reporting-disabled = true
bind-address = "127.0.0.1:8088"
[meta]
  dir = "{dir}/meta"
[data]
  dir = "{dir}/data"
  wal-dir = "{dir}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
"""


def missing():
    """Why there is no InfluxDB; None: there is one."""
    return None if shutil.which("influxd") else "influxdb is not installed"


class InfluxDB:
    """influxd with directories of its own, in a namespace's loopback."""

    def __init__(self, namespace, name="influx", auth=False):
        self.namespace = namespace
        self.auth = auth
        self.dir = namespace.lab.tmp / name
        self.dir.mkdir()
        self.conf = self.dir / "influxdb.conf"
        self.conf.write_text(INFLUXD_CONF.format(dir=self.dir, port=PORT,
                                                 auth=str(auth).lower()))
        self.process = None

    def start(self):
        self.process = self.namespace.start("influxd", "-config", self.conf)
        wait_for(lambda: self.answers() or self._runs(), f"influxd: {self.process.output()}")
        return self

    def _runs(self):
        assert self.process.running(), self.process.output()

    def answers(self):
        with self.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            return sock.connect_ex(("127.0.0.1", PORT)) == 0

    def stop(self):
        return self.process.end()

    def ask(self, statement, db="", user=None):
        """The rows of one statement's answer: {column: value}, with tags and measurement."""
        query = urllib.parse.urlencode({"q": statement, "db": db, "epoch": "ns"})
        command = ["curl", "-sS", "--noproxy", "*", "-XPOST"] + (["-u", user] if user else [])
        answer = json.loads(self.namespace.run(*command,
                                               f"http://127.0.0.1:{PORT}/query?{query}").stdout)
        result = answer["results"][0] if "results" in answer else answer
        assert "error" not in result, result
        return [{"measurement": series.get("name"), **dict(zip(series["columns"], row)),
                 **series.get("tags", {})}
                for series in result.get("series", []) for row in series["values"]]


class Points:
    """The program that writes points; `lines` are its log. It dies with the test."""

    def __init__(self, namespace, url, token_file=None, around=()):
        self.log = namespace.lab.tmp / f"points-{os.urandom(4).hex()}.log"
        words = [POINTS, url] + ([token_file] if token_file else [])
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(  # pylint: disable=consider-using-with
                ["setpriv", "--pdeathsig", "KILL", *map(str, namespace.command(*around, *words))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        namespace.lab.at_close(self.end)

    def say(self, what, seconds=PATIENCE):
        """One line to it, and its answer."""
        self.popen.stdin.write(json.dumps(what) + "\n")
        self.popen.stdin.flush()
        ready, _, _ = select.select([self.popen.stdout], [], [], seconds)
        assert ready, f"no answer within {seconds} s: {self.lines()}"
        line = self.popen.stdout.readline()
        assert line, f"points ended: {self.lines()}"
        return json.loads(line)

    def counts(self):
        return self.say("counts")

    def wait(self, seconds=PATIENCE, **wanted):
        """Until the counts are these."""
        def are():
            counts = self.counts()
            return counts if wanted.items() <= counts.items() else None
        try:
            return wait_for(are, f"{wanted}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.counts()}: {self.lines()}") from None

    def lines(self):
        """Its log, without what stands before each line."""
        return [line.removeprefix("lbd: ") for line in self.log.read_text().splitlines()]

    def wait_lines(self, count):
        wait_for(lambda: len(self.lines()) >= count, f"{count} lines: {self.lines()}")
        return self.lines()

    def end(self):
        with contextlib.suppress(OSError):
            self.popen.stdin.close()
        self.popen.kill()
        self.popen.wait()
        self.popen.stdout.close()


class Asked:
    """One request that came to a StandIn."""

    def __init__(self, handler):
        whole = urllib.parse.urlsplit(handler.path)
        self.time = time.monotonic()
        self.method = handler.command
        self.path = whole.path
        self.query = dict(urllib.parse.parse_qsl(whole.query, keep_blank_values=True))
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = handler.rfile.read(int(self.headers.get("content-length", 0))).decode()
        self.points = self.body.count("\n")


class StandIn:
    """A target of HTTP that does what a test tells it to. `answers` are taken one by one, the last
    one for ever: functions of the handler, which has the request."""

    def __init__(self, namespace, *answers, context=None):
        self.answers = list(answers)
        self.asked = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """It keeps its connection, as InfluxDB does."""
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                stand_in.take(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler,
                                                      bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.socket.bind(("127.0.0.1", PORT))
        self.server.socket.listen(16)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.server.handle_error = lambda *_: None
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def take(self, handler):
        asked = Asked(handler)
        with self._lock:
            self.asked.append(asked)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(self, handler)

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def answer(status, body="", **headers):
    """A whole answer."""
    def send(_, handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body.encode())))
        handler.end_headers()
        handler.wfile.write(body.encode())
    return send


WRITTEN = answer(204)


def raw(text):
    """These bytes, and the end of the connection."""
    def send(_, handler):
        handler.wfile.write(text.encode())
        handler.close_connection = True
    return send


def silent(stand_in, _):
    """Nothing, until the test is over."""
    stand_in.closing.wait(PATIENCE)


def held(event):
    """204, but not before the test says so."""
    def send(stand_in, handler):
        assert event.wait(PATIENCE)
        WRITTEN(stand_in, handler)
    return send
