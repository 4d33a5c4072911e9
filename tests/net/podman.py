# SPDX-License-Identifier: GPL-2.0-or-later
"""Podman's API service inside a namespace, with containers made of busybox. It shares nothing with
the machine's Podman: other storage, other socket, other networks."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import cgroups
import docker
from lab import wait_for

CONTAINERS_CONF = """[containers]
default_ulimits = [ "nofile=1024:1024", "nproc=1024:1024" ]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_config_dir = "{dir}/networks"
"""


def missing():
    """What the machine lacks for this, or None."""
    for tool in ("podman", "runc", "conmon", "iptables"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    if not os.path.exists(docker.BUSYBOX):
        return "busybox-static is not installed"
    return None


class Podman:
    """`podman system service` and its containers, from start to close()."""

    def __init__(self, namespace):
        self.namespace = namespace
        # Podman takes no runroot of more than 50 letters.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="elb-podman-"))
        self.socket = self.dir / "podman.sock"
        self.image = None
        self.cgroup = cgroups.name_of(namespace.lab, "podman")
        conf = self.dir / "containers.conf"
        conf.write_text(CONTAINERS_CONF.format(dir=self.dir))
        self.command = ["env", f"CONTAINERS_CONF={conf}", "podman", "--root", self.dir / "data",
                        "--runroot", self.dir / "run", "--tmpdir", self.dir / "tmp"]
        # Processes and mounts of their own: whatever happens to it, all of it goes with it.
        self.process = namespace.start(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
            *self.command, "system", "service", "--time=0", f"unix://{self.socket}")
        namespace.lab.at_close(self.close)

    def call(self, method, path, data=None, check=True):
        """One request to Docker's part of its API; what it answers, as text."""
        body = ["-H", "Content-Type: application/json", "--data-binary", "@-"] if data else []
        result = subprocess.run(
            ["curl", "-sS", "-X", method, "--unix-socket", self.socket, *body,
             "--fail-with-body" if check else "-s", f"http://podman{path}"],
            input=data, capture_output=True, check=False, timeout=60)
        assert not check or result.returncode == 0, (path, result.stdout, result.stderr)
        return result.stdout.decode()

    def answers(self):
        if not self.process.running():
            return True
        return self.socket.exists() and self.call("GET", "/_ping", check=False) == "OK"

    def wait_ready(self):
        """Returns whether it runs."""
        wait_for(self.answers, "podman", 60)
        return self.process.running()

    def image_make(self, *programs):
        answer = self.call("POST", "/images/create?fromSrc=-&repo=busybox-www",
                           docker.root_file_system(programs))
        self.image = json.loads(answer.splitlines()[-1])["status"].strip()

    def container(self, name, port=8080, labels=None, command=None):
        """A web server unless a command is given; its address."""
        made = self.call("POST", f"/containers/create?name={name}", json.dumps({
            "Image": self.image, "Hostname": name, "Labels": labels or {},
            "HostConfig": {"CgroupParent": f"/{self.cgroup}"},
            "Cmd": command or ["/bin/httpd", "-f", "-p", f"0.0.0.0:{port}", "-h", "/www"],
        }).encode())
        self.start(json.loads(made)["Id"])
        return self.address(name)

    def start(self, name):
        self.call("POST", f"/containers/{name}/start")

    def kill(self, name):
        self.call("POST", f"/containers/{name}/kill")

    def remove(self, name, check=True):
        self.call("DELETE", f"/containers/{name}?force=true", check=check)

    def inspect(self, name):
        return json.loads(self.call("GET", f"/containers/{name}/json"))

    def address(self, name):
        networks = self.inspect(name)["NetworkSettings"]["Networks"]
        return next(iter(networks.values()))["IPAddress"]

    def close(self):
        # Asked nicely; what does not answer, or is being removed already, is ended below.
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.process.running() and self.socket.exists():
                listed = self.call("GET", "/containers/json?all=1", check=False)
                for container in json.loads(listed or "[]"):
                    self.remove(container["Id"], check=False)
        self.process.signal(signal.SIGKILL)
        self.process.wait()
        cgroups.remove_everywhere(self.cgroup)
        shutil.rmtree(self.dir, ignore_errors=True)
