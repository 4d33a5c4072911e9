# SPDX-License-Identifier: GPL-2.0-or-later
"""Namespaces, links and processes of one test's little network, and their end.

Everything a Lab makes carries the prefix elbt<pid>-, is torn down by close(), and dies with the
test program: processes by their parent-death signal, the rest by sweep() of the next run. Nothing
outside these namespaces is touched, and only processes that were started here are ended, by pid.
"""

import contextlib
import ctypes
import itertools
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

PREFIX = f"elbt{os.getpid()}-"
NETNS = pathlib.Path("/run/netns")
BPFFS = pathlib.Path("/sys/fs/bpf")
CLONE_NEWNET = 0x40000000
PATIENCE = 30  # seconds that a condition may take to come true on a busy machine

_libc = ctypes.CDLL(None, use_errno=True)
_lab_numbers = itertools.count(1)


def wait_for(condition, what, seconds=PATIENCE):
    """The first true value of condition(); polls, for what the kernel does has no other bell."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still waiting for: {what}")
        time.sleep(0.01)


def passable(folder):
    """Everybody may pass through it: pytest's folders, of which each of its workers has one more,
    are open to root alone."""
    for path in (folder, *folder.parents):
        if not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o111)


class Process:
    """One running command; ended by its pid."""

    def __init__(self, args, log):
        self.args = [str(arg) for arg in args]
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as output:
            self.popen = subprocess.Popen(  # pylint: disable=consider-using-with
                ["setpriv", "--pdeathsig", "KILL", *self.args], stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT)

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def running(self):
        return self.popen.poll() is None

    def wait_output(self, text, seconds=PATIENCE):
        def seen():
            found = text in self.output()
            assert found or self.running(), f"{self.args} ended: {self.output()}"
            return found
        wait_for(seen, f"{text!r} from {self.args[-1]}", seconds)

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=PATIENCE):
        return self.popen.wait(seconds)

    def end(self):
        """Asks, and insists after a while. The exit status."""
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.popen.wait()


class Namespace:
    """One network namespace: a host, a container, a client."""

    def __init__(self, lab, name):
        self.lab = lab
        self.label = name
        self.name = lab.prefix + name
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.path = NETNS / self.name
        self.sysctl("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
        self.ip("link set lo up")

    def command(self, *args, cgroup=None):
        """What runs here, in a control group (cgroups.py) if one is named."""
        command = ["nsenter", f"--net={self.path}", *map(str, args)]
        return cgroup.command(*command) if cgroup else command

    def run(self, *args, check=True, timeout=60, cgroup=None, **options):
        result = subprocess.run(self.command(*args, cgroup=cgroup), capture_output=True, text=True,
                                check=False, timeout=timeout, **options)
        if check and result.returncode:
            raise AssertionError(f"{self.label}: {args}: {result.returncode}: {result.stderr}")
        return result

    def start(self, *args, cgroup=None):
        log = self.lab.tmp / f"{self.label}-{pathlib.Path(args[0]).name}-{next(_lab_numbers)}.log"
        return self.lab.process(self.command(*args, cgroup=cgroup), log)

    def ip(self, *lines):
        """Lines of `ip`, as one batch. An IPv6 address can be used at once: without nodad it is
        tentative until some worker of the kernel has looked at it."""
        batch = "".join(line + (" nodad\n" if line.startswith("addr add ") and ":" in line
                                and " nodad" not in line else "\n") for line in lines)
        result = subprocess.run(["ip", "-n", self.name, "-batch", "-"], text=True, check=False,
                                input=batch, capture_output=True)
        assert result.returncode == 0, f"{self.label}: {lines}: {result.stderr}"

    def sysctl(self, *settings):
        with self.entered():
            for setting in settings:
                key, value = setting.split("=")
                pathlib.Path("/proc/sys", key.replace(".", "/")).write_text(value)

    def ethtool(self, dev, *words):
        self.run("ethtool", "-K", dev, *words)

    def feature(self, dev, name):
        """`on` or `off`, as ethtool -k has it."""
        return re.search(rf"^{name}: (\w+)", self.run("ethtool", "-k", dev).stdout, re.M)[1]

    def mac(self, dev):
        with self.entered():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
                sock.bind((dev, 0))
                return sock.getsockname()[4].hex(":")

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace; sockets that it opens stay there."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {self.name}")
            yield
        finally:
            if _libc.setns(home, CLONE_NEWNET):
                os._exit(70)  # what follows would be done to somebody else's network
            os.close(there)
            os.close(home)

    def socket(self, *args):
        with self.entered():
            return socket.socket(*args)


class Lab:
    """All of a test's namespaces, processes and pins."""

    def __init__(self, tmp):
        self.tmp = pathlib.Path(tmp)
        self.prefix = f"{PREFIX}{next(_lab_numbers)}-"
        self._namespaces = {}
        self._processes = []
        self._closers = []

    def __getitem__(self, name):
        return self._namespaces[name]

    def namespace(self, name):
        self._namespaces[name] = Namespace(self, name)
        return self._namespaces[name]

    def namespace_remove(self, name):
        subprocess.run(["ip", "netns", "del", self._namespaces.pop(name).name], check=True)

    @staticmethod
    def veth(one, one_dev, other, other_dev):
        one.ip(f"link add {one_dev} type veth peer name {other_dev} netns {other.name}")

    def process(self, args, log):
        process = Process(args, log)
        self._processes.append(process)
        return process

    def pin(self, name):
        return BPFFS / f"{self.prefix}{name}"

    def at_close(self, function):
        self._closers.append(function)

    def close(self):
        """The last first, and each of them whatever becomes of the others."""
        with contextlib.ExitStack() as ends:
            ends.callback(self._remove)
            for end in [*(process.end for process in self._processes), *self._closers]:
                ends.callback(end)

    def _remove(self):
        for namespace in self._namespaces.values():
            subprocess.run(["ip", "netns", "del", namespace.name], check=False)
        for pin in BPFFS.glob(self.prefix + "*"):
            shutil.rmtree(pin)


def sweep():
    """What a run that was killed left behind: names of ours whose pid lives no more."""
    for path in [*NETNS.glob("elbt*-*"), *BPFFS.glob("elbt*-*")]:
        owner = re.match(r"elbt(\d+)-", path.name)
        if not owner or pathlib.Path("/proc", owner[1]).exists():
            continue
        if path.parent == NETNS:
            subprocess.run(["ip", "netns", "del", path.name], check=False)
        else:
            shutil.rmtree(path)


def signals_unwind():
    """SIGTERM and SIGINT (which a shell's background job ignores) end the test that runs, and
    every fixture is torn down."""
    def unwind(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, unwind)
