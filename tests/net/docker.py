# SPDX-License-Identifier: GPL-2.0-or-later
"""A Docker daemon of its own inside a namespace, with containers made of busybox. It shares
nothing with the machine's Docker: other data, other socket, other network."""

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile

from lab import wait_for

BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "httpd", "hostname", "wget")
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


def root_file_system():
    """A tar of busybox, its applets, and a web page that tells who asked."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        page = tarfile.TarInfo("www/cgi-bin/who")
        page.size, page.mode = len(ANSWER), 0o755
        tar.addfile(page, io.BytesIO(ANSWER))
    return data.getvalue()


class Docker:
    """dockerd and its containers, from start to close()."""

    def __init__(self, namespace):
        self.namespace = namespace
        self.dir = namespace.lab.tmp / "docker"
        self.dir.mkdir()
        self.socket = self.dir / "docker.sock"
        # Docker's FORWARD policy is DROP where Docker itself switches forwarding on.
        namespace.sysctl("net.ipv4.ip_forward=0")
        # Processes and mounts of their own: whatever happens to dockerd, all of it goes with it.
        self.process = namespace.start(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            "dockerd", "--data-root", self.dir / "data", "--exec-root", self.dir / "exec",
            "-H", f"unix://{self.socket}", "--pidfile", self.dir / "pid",
            "--storage-driver", "overlay2", "--userland-proxy=false")
        namespace.lab.at_close(self.close)

    def run(self, *args, check=True, **options):
        result = subprocess.run(["docker", "-H", f"unix://{self.socket}", *args],
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

    def image_make(self):
        self.run("import", "-", "busybox-www", input=root_file_system())

    def container(self, name, port=8080):
        self.run("run", "-d", "--name", name, "--hostname", name, "busybox-www",
                 "/bin/httpd", "-f", "-p", f"0.0.0.0:{port}", "-h", "/www")
        return self.address(name)

    def address(self, name):
        shown = json.loads(self.run("inspect", name).stdout)[0]
        return shown["NetworkSettings"]["IPAddress"]

    def close(self):
        if self.process.running() and self.socket.exists():
            names = self.run("ps", "-aq", check=False).stdout.decode().split()
            if names:
                self.run("rm", "-f", *names, check=False)
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
