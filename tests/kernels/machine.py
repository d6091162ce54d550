"""One kernel booted, under emulation or by KVM where that can be had: what it says on a serial port, and its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kernels.packages import Apt, Unavailable, unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event
    from typing import IO

SUITE = "trixie"
"""Where QEMU comes from: 10 starts programs 1.7 times as fast as bookworm's 7.2 when it emulates."""
QEMU = "qemu-system-x86_64"
MEMORY_MIB = 1536
COMMAND_LINE = "console=ttyS0 quiet panic=-1 mitigations=off root=/dev/nvme0n1 rw rootfstype=ext4 init=/init"
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Emulator:
    """QEMU as it is started: the command's first words, and whether the processor runs the kernel itself."""

    command: tuple[str, ...]
    has_kvm: bool


def emulator(apt: Apt, folder: Path) -> Emulator:
    """Return QEMU from Debian's packages, unpacked into a folder of ours: nothing has to be installed."""
    packages = apt.with_dependencies(("qemu-system-x86",), SUITE)
    wanted = next(package for package in packages if package.startswith("qemu-system-x86="))
    tree, stamp = folder / "qemu", folder / "qemu" / "version"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(tree, ignore_errors=True)
        for name in ("bin", "lib", "lib64"):
            (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
            (tree / name).symlink_to(f"usr/{name}")
        for package in apt.fetch(packages):
            unpack(package, tree)
        stamp.write_text(wanted)
    loader = (str(tree / "lib64/ld-linux-x86-64.so.2"), "--library-path", str(tree / "usr/lib/x86_64-linux-gnu"))
    firmware = ("-L", str(tree / "usr/share/qemu"), "-L", str(tree / "usr/share/seabios"))
    return Emulator((*loader, str(tree / "usr/bin" / QEMU), *firmware), _has_kvm())


def _has_kvm() -> bool:
    flags = Path("/proc/cpuinfo").read_text().split()
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and bool({"vmx", "svm"} & set(flags))


def vmlinuz(package: Path, folder: Path) -> Path:
    """Return the kernel out of its package; from 7.2 on it lies among its modules."""
    place = folder / package.stem
    if not place.exists():
        made = folder / "unfinished"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        unpack(package, made, "*/vmlinuz*")
        made.rename(place)
    found = [file for file in place.rglob("vmlinuz*") if file.is_file()]
    if len(found) != 1:
        raise Unavailable(f"{package.name} holds {len(found)} kernels")
    return found[0]


@dataclass(frozen=True)
class Boot:
    """A kernel, the image that it shall mount, more words for its command line, and where it writes."""

    kernel: Path
    image: Path
    command_line: str
    output: Path
    console: Path


def boot(emulator: Emulator, wanted: Boot, seconds: float, say: Callable[[str], None], stop: Event) -> str:
    """Boot, pass on each line that the kernel's tests write, and return how it ended: ``off``, or what went wrong.

    ``stop`` ends it before its time. The image is not changed: all that is written goes away.
    """
    wanted.output.write_bytes(b"")
    end = time.monotonic() + seconds
    with wanted.output.open(encoding="utf-8", errors="replace") as output:
        lines = Lines(output)
        arguments = _arguments(emulator, wanted)
        with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as qemu:
            while qemu.poll() is None:
                if time.monotonic() > end or stop.is_set():
                    qemu.kill()
                    return "interrupted" if stop.is_set() else f"still running after {seconds:.0f} s"
                lines.pass_on(say)
                time.sleep(POLL_SECONDS)
            errors = qemu.stderr.read().strip() if qemu.stderr else ""
        lines.pass_on(say)
    return "off" if qemu.returncode == 0 else f"the emulator ended with {qemu.returncode}: {errors[-300:]}"


def _arguments(emulator: Emulator, wanted: Boot) -> tuple[str, ...]:
    """Return the emulator's command line. One processor: with more, emulation is not reliable."""
    kvm, emulated = ("kvm", "host"), ("tcg,thread=single,tb-size=512", "qemu64")  # no AVX: it is slow when emulated
    accelerator, processor = kvm if emulator.has_kvm else emulated
    disk = f"if=none,id=root,format=raw,snapshot=on,file={str(wanted.image).replace(',', ',,')}"
    return (
        *emulator.command,
        *("-M", "q35", "-accel", accelerator, "-cpu", processor, "-smp", "1", "-m", str(MEMORY_MIB)),
        *("-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-no-reboot"),
        *("-drive", disk, "-device", "nvme,drive=root,serial=root"),
        *("-serial", f"file:{wanted.console}", "-serial", f"file:{wanted.output}"),
        *("-kernel", str(wanted.kernel), "-append", f"{COMMAND_LINE} {wanted.command_line}"),
    )


class Lines:
    """The lines of a file that is still being written."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.begun = ""

    def pass_on(self, say: Callable[[str], None]) -> None:
        """Pass on the lines that have been finished since the last time."""
        *lines, self.begun = (self.begun + self.file.read()).split("\n")
        for line in lines:
            say(line)
