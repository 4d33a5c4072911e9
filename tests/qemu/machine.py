# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtual machine with Debian's 6.1 kernel, in software emulation: an initramfs of our programs
with the libraries that they load, and what the guest told on its console."""

import glob
import os
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build"
OTHER = BUILD / "other" / "build"  # the same lbd with other programs
QEMU = "qemu-system-x86_64"
MODULES = ("veth", "8021q", "sch_ingress", "cls_bpf", "pktgen", "ip_vs", "ip_vs_mh", "tun",
           "tcp_bbr")
BOOT_TIMEOUT_S = 720  # beside other tests it takes twice as long as alone

# Programs of the system that the guest uses, and what libxdp opens by itself.
TOOLS = ("ip", "ethtool", "bpftool", "curl", "ipvsadm")
DISPATCHER = "/usr/lib/*/bpf/xdp-dispatcher.o"


def which(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def kernel_image():
    images = sorted(glob.glob("/boot/vmlinuz-6.1*-cloud-amd64"))
    return pathlib.Path(images[-1]) if images else None


def skip_without_machine():
    if not which(QEMU):
        pytest.skip(f"{QEMU} is not installed")
    if not kernel_image():
        pytest.skip("no 6.1 kernel in /boot (package linux-image-cloud-amd64)")


def libraries_of(program):
    """The shared libraries that it is loaded with, the loader included; none if it is static."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return re.findall(r"(/\S+) \(0x", done.stdout) if done.returncode == 0 else []


def modules_of(version):
    """Paths of the modules that the guest loads, each behind those that it needs."""
    paths = []
    for module in MODULES:
        told = subprocess.run([which("modprobe"), "-S", version, "-D", module], check=True,
                              capture_output=True, text=True).stdout
        paths += re.findall(r"^insmod (\S+)", told, re.M)
    return list(dict.fromkeys(paths))


class Initramfs:
    """A folder that becomes the guest's root."""

    def __init__(self, folder):
        self.folder = folder

    def add(self, source, target=None):
        """A file, at the place where it stands here unless `target` says another."""
        source = pathlib.Path(source)
        at = self.folder / str(target or source).lstrip("/")
        if at.exists():
            return
        at.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, at)

    def add_program(self, source, target=None):
        """Without what only a debugger reads: the guest holds all of it in memory."""
        self.add(source, target)
        subprocess.run(["strip", "--strip-debug", self.folder / str(target or source).lstrip("/")],
                       check=True)
        for library in libraries_of(source):
            self.add(library)

    def pack(self, image):
        names = "\n".join(str(path.relative_to(self.folder))
                          for path in sorted(self.folder.rglob("*")))
        with open(image, "wb") as out:
            subprocess.run(["cpio", "--create", "--format=newc", "--quiet"], cwd=self.folder,
                           input=names.encode(), stdout=out, check=True)


# Whole minutes of an emulated machine, for races and for many frames of what others try there too.
NOT_THERE = ("test_encap_frames", "test_flows_full", "test_flows_rare")


def program_tests():
    """Names of the tests in tests/prog that the guest runs."""
    return sorted(path.stem for path in (ROOT / "tests" / "prog").glob("test_*.c")
                  if path.stem not in NOT_THERE)


def sources():
    """The folder of each BPF object, by its name."""
    return {path.name.removesuffix(".bpf.c"): path.parent.name
            for folder in ("xdp", "policy") for path in (ROOT / folder).glob("*.bpf.c")}


def objects():
    """The BPF objects that the guest loads: all of them, of both builds."""
    return [build + name for build in ("", "other/") for name in sorted(sources())]


def object_file(name):
    bare = pathlib.Path(name).name
    return (OTHER if name.startswith("other/") else BUILD) / sources()[bare] / f"{bare}.bpf.o"


def guest_programs_build(folder):
    """The other XDP program, its loader, and the stream: only the guest needs them."""
    include = f"/usr/include/{os.uname().machine}-linux-gnu"
    subprocess.run(["clang-19", "-O2", "-g", "--target=bpf", f"-I{include}", "-c",
                    HERE / "guest" / "pass.bpf.c", "-o", folder / "pass.bpf.o"], check=True)
    for name in ("beside", "stream"):
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", HERE / "guest" / f"{name}.c", "-o",
                        folder / name, "-lxdp", "-lbpf"], check=True)


def initramfs_make(scratch, kernel):
    root = Initramfs(scratch / "root")
    modules = modules_of(kernel.name.removeprefix("vmlinuz-"))
    guest_programs_build(scratch)
    root.add("/bin/busybox")
    root.add_program("/bin/dash", "/bin/sh")  # busybox's shell would take its own "ip"
    for tool in TOOLS:
        root.add_program(which(tool), f"/usr/sbin/{tool}")
    for path in modules + glob.glob(DISPATCHER):
        root.add(path)
    for name in ("daemon", "world", "dispatcher", "lb.conf", "ways_world", "ways", "ways.conf",
                 "lab"):
        root.add(HERE / "guest" / name, f"/guest/{name}")
    root.add(HERE / "guest/init", "/init")
    for name in ("ipvs", "lab/pktgen"):
        root.add(ROOT / "bench" / name, f"/guest/bench/{name}")
    for name, lines in (("modules", modules), ("objects", objects())):
        (root.folder / "guest" / name).write_text("".join(f"{line}\n" for line in lines))
    for name in objects():
        root.add(object_file(name), f"/guest/{name}.bpf.o")
    for name in ("lbd", "lbctl"):
        root.add_program(BUILD / name, f"/guest/{name}")
    root.add_program(OTHER / "lbd", "/guest/other/lbd")
    for name in program_tests():
        root.add_program(BUILD / "tests" / name, f"/guest/tests/{name}")
    for name in ("beside", "stream"):
        root.add_program(scratch / name, f"/guest/{name}")
    root.add(scratch / "pass.bpf.o", "/guest/pass.bpf.o")
    root.pack(scratch / "initramfs")
    shutil.rmtree(root.folder)
    return scratch / "initramfs"


class Console:
    """What the guest said: the result of each step, and all of it for whoever looks for a cause."""

    def __init__(self, text):
        self.text = text.replace("\r", "")
        self.results = {}
        for result, step in re.findall(r"^(ok|not ok) (.+)$", self.text, re.M):
            self.results[step] = result

    def kernel(self):
        found = re.search(r"^kernel (\S+)$", self.text, re.M)
        return found.group(1) if found else None

    def came_to_its_end(self):
        return re.search(r"^done$", self.text, re.M) is not None

    def assert_ok(self, step):
        if self.results.get(step) == "ok":
            return
        told = re.search(rf"^not ok {re.escape(step)}\n((?:#.*\n)*)", self.text, re.M)
        pytest.fail(f"{step}:\n{told.group(1) if told else self.text[-4000:]}", pytrace=False)


def boot(scratch):
    """Runs the guest from its start to its end."""
    kernel = kernel_image()
    initramfs = initramfs_make(scratch, kernel)
    command = [which(QEMU), "-accel", "tcg", "-smp", "2", "-m", "512", "-nographic", "-no-reboot",
               "-nodefaults", "-serial", "stdio", "-kernel", kernel, "-initrd", initramfs,
               "-append", "console=ttyS0 quiet loglevel=1 panic=-1"]
    try:
        output = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=BOOT_TIMEOUT_S).stdout
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"") + b"\nthe guest did not come to its end\n"
    return Console(output.decode(errors="replace"))
