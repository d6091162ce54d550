"""The root filesystem that every kernel boots: a small Debian with Python, the tests' libraries and this checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from tests.kernels.faults import Edit, plant
from tests.kernels.packages import Apt, command, unpack

CHECKOUT = Path(__file__).parents[2]
SUITE = "bookworm"
PYTHON = "3.11"
"""The suite's Python: what its wheels are fetched for."""
PACKAGES = (
    *(
        "apparmor",
        "base-files",
        "base-passwd",
        "bash",
        "busybox-static",
        "coreutils",
        "dash",
        "gcc",
        "git",
        "libc6-dev",
        "passwd",
    ),
    *("procps", "python3", "strace", "util-linux"),
)
UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/perl", "usr/share/info")
USER, UID = "tester", 1000
LIBRARIES = f"usr/local/lib/python{PYTHON}/dist-packages"
PLACE = "opt/openshell"
FREE_MIB = 200
LEFT_OUT = (".git", ".venv", "build", "dist", ".hypothesis", "__pycache__", ".*_cache", "*.egg-info")
INIT = """#!/bin/busybox sh
export PATH=/usr/local/bin:/usr/bin:/usr/sbin LANG=C.UTF-8
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t securityfs securityfs /sys/kernel/security
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
$b mount -t devtmpfs devtmpfs /dev
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts -o ptmxmode=666,gid=5 devpts /dev/pts
$b mount -t tmpfs -o mode=1777 tmpfs /dev/shm
$b mount -t tmpfs -o mode=1777 tmpfs /tmp
$b mount -t tmpfs -o mode=0755 tmpfs /run
$b ln -sf /proc/self/fd /dev/fd
$b ifconfig lo up
$b hostname kernel
$b stty -F /dev/ttyS1 raw
$b chown -R {user}:{user} /home/{user}
cd /{place}
/usr/bin/python3 -m tests.kernels.inside >/dev/console 2>&1 </dev/null
$b poweroff -f
"""
"""The first process: the mounts that a system has, then the tests, then the end. busybox: nothing else is needed."""


def base(apt: Apt, folder: Path) -> Path:
    """Return the tree without the checkout, made anew when its packages or the tests' libraries change."""
    packages = apt.with_dependencies(PACKAGES, SUITE)
    made_from = [*packages, *(file.read_text() for file in (Path(__file__), _locked(), CHECKOUT / "bin/openshell"))]
    digest = hashlib.sha256("\n".join(made_from).encode()).hexdigest()
    tree = folder / f"tree-{digest[:16]}"
    if not tree.exists():
        for old in folder.glob("tree-*"):
            shutil.rmtree(old)
        made = folder / "tree-unfinished"  # an earlier one was removed just now
        made.mkdir()
        lay_out(made)
        for package in apt.fetch(packages):
            unpack(package, made)
        _furnish(made)
        _add_libraries(made)
        made.rename(tree)
    return tree


def image(tree: Path, file: Path, edits: tuple[Edit, ...] = ()) -> None:
    """Write the filesystem image: the tree, and the checkout as it is now, with these faults planted in the copy."""
    place = tree / PLACE
    if place.exists():
        shutil.rmtree(place)
    shutil.copytree(CHECKOUT, place, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    plant(edits, place)
    _compile(tree)
    file.unlink(missing_ok=True)
    used = int(command("du", "-sm", tree).split()[0])
    _as_root("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, "-F", file, f"{used * 5 // 4 + FREE_MIB}M")


def _as_root(*arguments: str | Path) -> None:
    """Run a program as root, in a user namespace where we are not: what is ours is then root's in what it makes."""
    command(*(() if os.geteuid() == 0 else ("unshare", "--map-root-user", "--")), *arguments)


def _locked() -> Path:
    return CHECKOUT / "requirements" / "test.txt"


def lay_out(tree: Path) -> None:
    """Make the folders and links that the packages expect to find."""
    for name in ("bin", "sbin", "lib", "lib64"):  # as usrmerge leaves them
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")
    for name in ("dev", "proc", "sys", "run", "tmp", "opt", "home", "root", "etc", "var/tmp", "usr/local/bin"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (tree / name).chmod(0o1777)
    (tree / "root").chmod(0o700)


def _furnish(tree: Path) -> None:
    """Do what the packages' scripts would have done, as far as anything here needs it."""
    for name in UNUSED:
        shutil.rmtree(tree / name, ignore_errors=True)
    masters = tree / "usr/share/base-passwd"
    entries = {"passwd": f"{USER}:x:{UID}:{UID}::/home/{USER}:/bin/bash\n", "group": f"{USER}:x:{UID}:\n"}
    for name, entry in entries.items():
        (tree / "etc" / name).write_text((masters / f"{name}.master").read_text() + entry)
    (tree / "home" / USER).mkdir()
    (tree / "etc/hostname").write_text("kernel\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost kernel\n")
    (tree / "etc/mtab").symlink_to("../proc/self/mounts")
    (tree / "usr/bin/cc").symlink_to("gcc")
    init = tree / "init"
    init.write_text(INIT.format(user=USER, place=PLACE))
    init.chmod(0o755)


def _add_libraries(tree: Path) -> None:
    """Install what the tests import, by the project's own lock."""
    target = tree / LIBRARIES
    target.mkdir(parents=True, exist_ok=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install")
    platforms = ("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64")
    choice = ("--only-binary=:all:", *platforms, "--python-version", PYTHON, "--implementation", "cp")
    command(*pip, "--no-deps", "--require-hashes", *choice, "--target", target, "-r", _locked())
    (target / "openshell.pth").write_text(f"/{PLACE}/src\n")
    command_ = tree / "usr/local/bin/openshell"
    command_.write_text((CHECKOUT / "bin/openshell").read_text().replace("#!python", "#!/usr/bin/python3", 1))
    command_.chmod(0o755)


def _compile(tree: Path) -> None:
    """Let Python and pytest compile what they will import: under emulation that is slow, and a user cannot keep it."""
    python = "/usr/bin/python3"
    _in(tree, python, "-m", "compileall", "-q", f"/{PLACE}", f"/{LIBRARIES}")
    # -s: there is no /dev/null here that pytest could put in place of its input.
    _in(tree, python, "-m", "pytest", "-qs", "--collect-only", "-p", "no:cacheprovider", "tests/confined")


def _in(tree: Path, *arguments: str) -> None:
    """Run a program of the tree, at the checkout's place in it."""
    inside = ("unshare", f"--root={tree}", f"--wd=/{PLACE}", *(() if os.geteuid() == 0 else ("--map-root-user",)))
    command(*inside, "--", *arguments, env={"PATH": "/usr/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
