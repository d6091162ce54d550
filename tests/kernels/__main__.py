"""``make test-kernels``: boot each kernel of the catalogue, run the tests there, and print one table.

Exit status: 0 if everything passed; 1 if a test failed, a required kernel could not be had or fewer than three
Landlock ABIs were seen; 2 for a mistake in the arguments.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.kernels import faults, image, machine, support, table
from tests.kernels.catalogue import KERNELS
from tests.kernels.packages import Apt, Unavailable
from tests.kernels.results import Booted, as_json, problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.kernels.catalogue import Kernel

BUILD = image.CHECKOUT / "build" / "kernels"
RESULTS = "results.json"
BOOT_SECONDS = {"chosen": 600, "all": 3 * 3600}
"""How long one kernel may take."""


class Progress:
    """Lines about what happens, each with the seconds since the start; threads take turns. ``stop`` ends them."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.turn = threading.Lock()
        self.stop = threading.Event()

    def __call__(self, text: str) -> None:
        with self.turn:
            print(f"{time.monotonic() - self.begin:5.0f} s  {text}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.kernels", description=__doc__.splitlines()[0])
    names = "; ".join(kernel.name for kernel in KERNELS)
    parser.add_argument("--only", action="append", metavar="KERNEL", help=f"only this one; may be repeated: {names}")
    parser.add_argument("--tests", choices=("chosen", "all"), default="chosen", help="chosen: those marked `kernels`")
    parser.add_argument("--plant", choices=sorted(faults.FAULTS), help="plant a fault first: the right cells must fail")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/kernels.json and docs/support.md")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="kernels at once (default 2)")
    options = parser.parse_args(arguments)
    kernels = [kernel for kernel in KERNELS if not options.only or kernel.name in options.only]
    if options.write and (options.only or options.plant):
        parser.error("--write is for a run of everything")
    if options.only and len(kernels) < len(set(options.only)):
        parser.error(f"--only takes the names of kernels: {names}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(kernels, options)
    except (Unavailable, OSError, shutil.Error) as problem:
        print(f"test-kernels: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(kernels: list[Kernel], options: argparse.Namespace) -> int:
    say = Progress()
    BUILD.mkdir(parents=True, exist_ok=True)
    lock = (BUILD / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Unavailable(f"another run uses {BUILD}: wait for its end") from None
    apt = Apt(BUILD / "apt")
    apt.prepare()
    say("package lists are here")
    packages = dict(zip(kernels, apt.newest(kernel.package for kernel in kernels), strict=True))
    missing = [kernel.name for kernel, package in packages.items() if package is None]
    to_boot = [Booted.of(kernel, package) for kernel, package in packages.items() if package is not None]
    files = {_name(file): file for file in apt.fetch({booted.package for booted in to_boot})}
    say(f"{len(files)} kernels are here" + (f"; not to be had: {', '.join(missing)}" if missing else ""))
    emulator = machine.emulator(apt, BUILD)
    tree = image.base(apt, BUILD)
    say("the emulator and the root filesystem are here")
    image.image(tree, BUILD / "root.ext4", faults.FAULTS.get(options.plant, ()))
    say(f"booting {len(to_boot)} kernels, {options.jobs} at once, {'with KVM' if emulator.has_kvm else 'emulated'}")

    boot_files = {name: machine.vmlinuz(file, BUILD / "vmlinuz") for name, file in files.items()}

    def one(booted: Booted) -> None:
        _boot(booted, boot_files[booted.package], emulator, options, say)

    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            list(pool.map(one, sorted(to_boot, key=lambda booted: -len(booted.outcomes))))  # the longest first
        except KeyboardInterrupt:
            say.stop.set()
            raise
    status = _conclude(to_boot, missing, whole=not options.only)
    if options.write and status:
        print("test-kernels: nothing is written, because of what failed")
    elif options.write:
        (image.CHECKOUT / support.KERNELS).write_text(as_json(to_boot))
        (image.CHECKOUT / support.PAGE).write_text(support.page(image.CHECKOUT))
    return status


def _name(file: Path) -> str:
    return file.name.partition("_")[0]


def _boot(booted: Booted, kernel: Path, emulator: machine.Emulator, options: argparse.Namespace, say: Progress) -> None:
    """Boot one kernel; once more if its tests never began: that is the emulator's failure, not the kernel's."""
    place = BUILD / "output" / quote(booted.name, safe="")
    place.mkdir(parents=True, exist_ok=True)
    asked = {"kernel": quote(booted.name), "tests": options.tests, "places": "yes" if options.write else "no"}
    words = " ".join([booted.command_line, *(f"openshell.{name}={value}" for name, value in asked.items())])
    wanted = machine.Boot(kernel, BUILD / "root.ext4", words, place / "told", place / "console")

    def hear(line: str) -> None:
        told = booted.hear(line)
        if told and told["kind"] == "run":
            outcome = next(outcome for outcome in booted.outcomes if outcome.run == told["run"])
            counts = f"{outcome.passed} passed, {len(outcome.failed)} failed, {sum(outcome.skipped.values())} skipped"
            say(f"{booted.name}: {outcome.run}: {outcome.problem or counts} ({outcome.seconds:.0f} s)")

    for _ in range(2):
        booted.ended = machine.boot(emulator, wanted, BOOT_SECONDS[options.tests], hear, say.stop)
        if booted.facts or say.stop.is_set():
            break


def _conclude(booted: list[Booted], missing: list[str], *, whole: bool) -> int:
    required = [name for name in missing if next(known for known in KERNELS if known.name == name).required]
    found = problems(booted, required, whole=whole)
    (BUILD / RESULTS).write_text(as_json(booted))
    for kernel in booted:
        for outcome in kernel.outcomes:
            for test, text in outcome.failed.items():
                print(f"\n=== {kernel.name}, {outcome.run}: {test}\n{text}")
    print(f"\n{table.plain(booted, colour=sys.stdout.isatty())}")
    if missing:
        print(f"not to be had from Debian's archive: {', '.join(missing)}")
    for problem in found:
        print(f"test-kernels: {problem}")
    failed = sum(len(outcome.failed) for kernel in booted for outcome in kernel.outcomes)
    passed = sum(outcome.passed for kernel in booted for outcome in kernel.outcomes)
    skipped = sum(sum(outcome.skipped.values()) for kernel in booted for outcome in kernel.outcomes)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or found else 0


if __name__ == "__main__":
    sys.exit(main())
