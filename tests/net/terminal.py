# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal to see programs on: a tmux server of the test's own, with one session. What runs in it
sees real keys, sizes and signals; what it draws is read back."""

import itertools
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile

from lab import PREFIX, Process, wait_for

_numbers = itertools.count(1)


class Terminal:
    """A shell in a window; ended with its server by close()."""

    def __init__(self, tmp, columns=120, rows=30, **environment):
        self.name = f"{PREFIX}tmux-{next(_numbers)}"
        self.home = pathlib.Path(tmp)
        # Not the user's: no configuration, and a folder of its own for the socket.
        self.sockets = tempfile.mkdtemp(prefix="elb-tmux-")  # a socket's path is short
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.home),
                            "TMUX_TMPDIR": self.sockets, "LC_ALL": "C.UTF-8", "TZ": "UTC",
                            **environment}
        (self.home / "tmux.conf").write_text(
            'set -g default-terminal "tmux-256color"\nset -g status off\n'
            "set -g remain-on-exit on\nset -g escape-time 0\n")
        (self.home / "bashrc").write_text("PS1='$ '\n")
        # In the foreground: whatever becomes of the tests, it ends with them.
        self.server = Process(["env", "-i", *(f"{key}={value}" for key, value in
                                              self.environment.items()),
                               "tmux", "-u", "-D", "-L", self.name, "-f",
                               self.home / "tmux.conf"], self.home / "tmux.log")
        try:
            wait_for(lambda: self.tmux("new-session", "-d", "-P", "-s", "test", "-x", columns,
                                       "-y", rows, f"exec bash --noprofile --rcfile "
                                       f"{self.home / 'bashrc'}", check=False), "a session")
            self.wait("$")
        except BaseException:
            self.close()
            raise

    def tmux(self, *args, check=True):
        return subprocess.run(["tmux", "-u", "-L", self.name, *map(str, args)], text=True,
                              capture_output=True, check=check, timeout=30,
                              env=self.environment).stdout

    def close(self):
        self.tmux("kill-server", check=False)
        self.server.end()
        shutil.rmtree(self.sockets)

    def keys(self, *keys):
        """Names as tmux has them: Enter, Escape, PPage, C-c; another word is what it spells."""
        self.tmux("send-keys", "-t", "test", *keys)

    def text(self, words):
        self.tmux("send-keys", "-t", "test", "-l", words)

    def run(self, *args):
        """A command line of the shell."""
        self.text(shlex.join(map(str, args)))
        self.keys("Enter")

    def resize(self, columns, rows):
        self.tmux("resize-window", "-t", "test", "-x", columns, "-y", rows)

    def lines(self, *options):
        return self.tmux("capture-pane", "-p", "-t", "test", *options).splitlines()

    def screen(self):
        return "\n".join(self.lines())

    def painted(self):
        """With colours and the like, as escape sequences."""
        return "\n".join(self.lines("-e"))

    def state(self, field):
        """"alternate_on", "cursor_flag", "pane_pid": see FORMATS in tmux(1)."""
        return self.tmux("display-message", "-p", "-t", "test", f"#{{{field}}}").strip()

    def wait(self, condition, seconds=30):
        """Until the screen holds that text, or condition(screen) is true. The screen."""
        def seen():
            screen = self.screen()
            true = condition in screen if isinstance(condition, str) else condition(screen)
            return screen if true else None
        try:
            return wait_for(seen, "the screen", seconds)
        except AssertionError as error:
            raise AssertionError(f"{condition}: {error}\n{self.screen()}") from None
