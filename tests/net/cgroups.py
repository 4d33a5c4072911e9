# SPDX-License-Identifier: GPL-2.0-or-later
"""Control groups (cgroup v2) of one test's processes. They stand at the root, each under a name
that begins with this test program's pid. Whatever runs in one when it is removed is ended, by its
pid; what a program that was killed left behind is removed by sweep() of the next one."""

import contextlib
import functools
import os
import pathlib
import re
import signal

from lab import wait_for

PREFIX = "edgelb-test-"


@functools.cache
def root():
    """Where cgroup v2 is mounted: not at the same place on every host. None if it is not."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return pathlib.Path(mount.split()[4])
    return None


def missing():
    """What the machine lacks for this, or None."""
    if not root():
        return "cgroup v2 is not mounted"
    return None if os.access(root(), os.W_OK) else f"{root()} cannot be written"


def name_of(lab, name):
    """At the root, of this test program and this lab: sweep() knows whose it was."""
    return f"{PREFIX}{lab.prefix.removeprefix('elbt')}{name}"


def pids_of(path):
    try:
        return [int(pid) for pid in (path / "cgroup.procs").read_text().split()]
    except OSError:
        return []  # it is gone, or was just removed


def _removed(path):
    """Whether it is gone. Ends who is in it: they may have had children, and who was told to join
    may come late, also between the look and the removal."""
    for pid in pids_of(path):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove(path):
    """With all that stands below it and runs in it."""
    for folder, _, _ in os.walk(path, topdown=False):
        wait_for(functools.partial(_removed, pathlib.Path(folder)), f"the end of {folder}")


def trees():
    """Where cgroups are mounted: v2, and on a hybrid host one place for each controller of v1, in
    which container runtimes make the same groups."""
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        if kind.startswith(("cgroup ", "cgroup2 ")):
            found[mount.split()[2]] = pathlib.Path(mount.split()[4])
    return found.values()


def remove_everywhere(name):
    """A group that a container runtime made, with all below it, in each tree that has it."""
    for tree in trees():
        if (tree / name).exists():
            remove(tree / name)


def sweep():
    """What a run that was killed left behind."""
    for path in [path for tree in trees() for path in tree.glob(f"{PREFIX}*")]:
        owner = re.match(rf"{PREFIX}(\d+)-", path.name)
        if owner and not pathlib.Path("/proc", owner[1]).exists():
            remove(path)


class Cgroup:
    """One group: at the root, or below another one. Removed with its lab, also after a failure."""

    def __init__(self, lab, name, parent=None):
        self.lab = lab
        if parent:
            self.path = parent.path / name
        else:
            self.path = root() / name_of(lab, name)
        self.path.mkdir()
        lab.at_close(self.remove)

    @property
    def name(self):
        """As lb.conf has it: the path from the root."""
        return str(self.path.relative_to(root()))

    @property
    def id(self):
        return self.path.stat().st_ino

    def child(self, name):
        return Cgroup(self.lab, name, parent=self)

    def command(self, *args):
        """A command that joins the group before it becomes what it is to be."""
        return ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str(self.path / "cgroup.procs"),
                *map(str, args)]

    def add(self, pid):
        """Moves a process here that runs already."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def pids(self):
        return pids_of(self.path)

    def remove(self):
        """A group of the same name may be made again, of another id."""
        remove(self.path)
