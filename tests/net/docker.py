# SPDX-License-Identifier: GPL-2.0-or-later
"""A Docker daemon of its own inside a namespace, with containers made of busybox. It shares
nothing with the machine's Docker: other data, other socket, other network."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile

import cgroups
from lab import wait_for

BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "httpd", "hostname", "wget", "nc", "ping", "sleep")
ANSWER = b"""#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "$(hostname) $REMOTE_ADDR"
"""


def missing():
    """What the machine lacks for this, or None."""
    for tool in ("dockerd", "docker", "iptables"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if not os.path.exists(BUSYBOX):
        return "busybox-static is not installed"
    return None


def root_file_system(programs=()):
    """A tar of busybox, its applets, a web page that tells who asked, and static programs."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        for program in programs:
            tar.add(program, f"bin/{pathlib.Path(program).name}")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        page = tarfile.TarInfo("www/cgi-bin/who")
        page.size, page.mode = len(ANSWER), 0o755
        tar.addfile(page, io.BytesIO(ANSWER))
    return data.getvalue()


# Takes dockerd's place as the first process of its namespace, so that containers outlive a dockerd
# that is killed; it starts another one once the file is away.
FIRST = """while :; do
	"$@"
	[ $? -eq 137 ] || exit 1
	while [ -e "$0" ]; do sleep 0.05; done
done"""


def children(pid):
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Docker:
    """dockerd and its containers, from start to close(). Their cgroups stand below one of the
    test's own."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.dir = namespace.lab.tmp / "docker"
        self.dir.mkdir()
        self.socket = self.dir / "docker.sock"
        self.away = self.dir / "away"
        self.cgroup = cgroups.name_of(namespace.lab, "docker")
        # With systemd Docker's containers stand beside services of the host.
        self.shared = cgroups.name_of(namespace.lab, "host") + "/system.slice"
        # Docker's FORWARD policy is DROP where Docker itself switches forwarding on.
        namespace.sysctl("net.ipv4.ip_forward=0")
        # Processes and mounts of their own: whatever happens to dockerd, all of it goes with it.
        self.process = namespace.start(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "sh", "-c", FIRST, self.away,
            "dockerd", "--data-root", self.dir / "data", "--exec-root", self.dir / "exec",
            "-H", f"unix://{self.socket}", "--pidfile", self.dir / "pid",
            "--storage-driver", "overlay2", "--userland-proxy=false", "--live-restore",
            "--cgroup-parent", f"/{self.cgroup}")
        namespace.lab.at_close(self.close)

    def run(self, *args, check=True, **options):
        result = subprocess.run(["docker", "-H", f"unix://{self.socket}", *map(str, args)],
                                capture_output=True, check=False, timeout=60, **options)
        assert not check or result.returncode == 0, (args, result.stderr)
        return result

    def answers(self):
        if not self.process.running():
            return True
        return self.socket.exists() and self.run("info", check=False).returncode == 0

    def wait_ready(self):
        """Returns whether it runs."""
        wait_for(self.answers, "dockerd", 60)
        return self.process.running()

    def image_make(self, *programs):
        self.run("import", "-", "busybox-www", input=root_file_system(programs))

    def container(self, name, *options, port=8080):
        """A web server; its address."""
        self.run("run", "-d", "--name", name, "--hostname", name, *options, "busybox-www",
                 "/bin/httpd", "-f", "-p", f"0.0.0.0:{port}", "-h", "/www")
        return self.address(name)

    def inspect(self, name):
        return json.loads(self.run("inspect", name).stdout)[0]

    def address(self, name):
        networks = self.inspect(name)["NetworkSettings"]["Networks"]
        return next(iter(networks.values()))["IPAddress"]

    @property
    def daemon(self):
        """dockerd's pid, as this process numbers it."""
        (first,) = children(self.process.pid)
        return next(pid for pid in children(first)
                    if pathlib.Path(f"/proc/{pid}/comm").read_text() == "dockerd\n")

    def daemon_kill(self):
        """Containers go on without it."""
        self.away.touch()
        os.kill(self.daemon, signal.SIGKILL)

    def daemon_start(self):
        """Again, after daemon_kill()."""
        self.away.unlink()
        assert self.wait_ready()

    def close(self):
        # Asked nicely, for the networks' sake; what does not answer is ended below.
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.process.running() and self.socket.exists() and not self.away.exists():
                names = self.run("ps", "-aq", check=False).stdout.decode().split()
                if names:
                    self.run("rm", "-f", *names, check=False)
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        for name in (self.cgroup, self.shared.partition("/")[0]):
            cgroups.remove_everywhere(name)
        shutil.rmtree(self.dir, ignore_errors=True)
