# SPDX-License-Identifier: GPL-2.0-or-later
"""Something at a Unix socket that answers lbctl in the daemon's place, for what no daemon of this
version says: odd, old and hostile answers, and an end in the middle. What lbd itself answers is
tested against lbd."""

import http.server
import json
import pathlib
import socketserver
import threading


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # pylint: disable=invalid-name
        stand_in = self.server.stand_in
        stand_in.asked.append(self.path)
        stand_in.answers_again.wait()
        status, body = stand_in.answer(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "socket"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class StandIn:
    """answers: path → object, bytes, (status, either), a list of those of which each is given once
    and the last one again and again, or a function that returns one."""

    def __init__(self, path, answers=None):
        self.path = pathlib.Path(path)
        self.answers = answers or {}
        self.answers_again = threading.Event()
        self.answers_again.set()
        self.asked = []
        self.server = None

    def answer(self, path):
        answer = self.answers.get(path, (404, {"errors": [{
            "file": None, "line": 0, "text": f'there is nothing at "{path}" for this method'}]}))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer()
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    def hang(self, hangs=True):
        """Requests are taken and not answered, until it is called with False."""
        (self.answers_again.clear if hangs else self.answers_again.set)()

    def start(self):
        self.path.unlink(missing_ok=True)
        self.server = _Server(str(self.path), _Handler)
        self.server.stand_in = self
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self):
        """Nobody is at the socket any more."""
        self.hang(False)
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
