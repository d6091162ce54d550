"""Runs of the command with a lie planted in it: what it does is no longer what it reports.

Each plant is a few lines that replace functions of ours before the command begins. The launch's own checks, which
would notice most of them, are replaced too: only the verification is left.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.confined.launch import world

if TYPE_CHECKING:
    from collections.abc import Iterator

BLIND = """
import os, sys
sys.path.insert(0, SOURCE)
from pyopenshell.launch import checks, child
checks._check = lambda name, expected, observed: {
    "name": name, "expected": expected, "observed": expected, "ok": True
}
child._canary = lambda operation, path: {"path": path, "errno": 13}
"""
"""Nobody looks: neither the supervisor nor the canary."""
MAIN = """
from pyopenshell.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
LEFT_OUT = """
from pyopenshell.landlock import ruleset
from pyopenshell.kernel import landlock
whole = ruleset._add
def _add(fd, fs, grant, *rule):
    if not grant.startswith(WHICH):
        return whole(fd, fs, grant, *rule)
    keep, landlock.add_path = landlock.add_path, lambda *_: None
    try:
        return whole(fd, fs, grant, *rule)
    finally:
        landlock.add_path = keep
ruleset._add = _add
"""
"""The rule of a grant is reported, and not made."""
ADDED = """
from pyopenshell.landlock import downgrade, ruleset
from pyopenshell.kernel import landlock
whole = ruleset.build
def build(fs, *more, **options):
    made = whole(fs, *more, **options)
    fd = os.open(WHERE, os.O_PATH | os.O_CLOEXEC)
    landlock.add_path(made[0], downgrade.mask(RIGHTS) & fs, fd)
    os.close(fd)
    return made
ruleset.build = build
"""
"""A rule is made, and not reported."""
NO_LANDLOCK = """
from pyopenshell.landlock import ruleset
ruleset.enforce = lambda fd, *_: os.close(fd)
"""
NO_FILTER = """
from pyopenshell.kernel import seccomp
seccomp.install = lambda program, flags=0: 0
"""
ROW_LEFT_OUT = """
from pyopenshell.seccomp import bpf
whole = bpf.build
bpf.build = lambda rows, architecture: whole([row for row in rows if row.syscall != WHICH], architecture)
"""
SHARED = """
from pyopenshell.launch import stem
from pyopenshell.kernel import namespaces
whole = stem.unshare_flags
stem.unshare_flags = lambda kinds: whole({**kinds, WHICH: False})
namespaces.bring_up_loopback = lambda: None
"""
"""A namespace is reported, and not made."""
FOLLOWS_ANY_PATH = """
from pyopenshell.kernel import notification
from pyopenshell.seccomp import broker
def answer(self, call):
    folder, address, flags = broker._arguments(call)
    path = self._path(call.pid, address)
    if path is None:
        return broker.PASSED
    inside = path.removeprefix(b"/proc/").replace(b"self", b"%d" % self._numbers(call.pid)[1])
    where = (inside, self._there) if path.startswith(b"/proc/") else (path, None)
    fd = os.open(where[0], flags, dir_fd=where[1])
    notification.give(self.listener, call.id, fd, close_on_exec=True)
    os.close(fd)
    return broker.GRANTED
broker.Broker._answer = answer
"""
ANY_PROCESS = """
from pyopenshell.seccomp import broker
whole = broker.Broker._numbers
def numbers(self, pid):
    process, tgid, tid = whole(self, pid)
    named = self._asked.split(b"/")[2]
    return (process, int(named), int(named)) if named.isdigit() else (process, tgid, tid)
broker.Broker._numbers = numbers
"""
"""The broker takes the caller's word for who it is."""
NO_SCOPES = """
from pyopenshell.kernel import landlock
whole = landlock.create_ruleset
landlock.create_ruleset = lambda fs, net, _scoped, *more: whole(fs, net, 0, *more)
"""
NOT_HANDLED = """
from pyopenshell.kernel import landlock
from pyopenshell.landlock import downgrade, ruleset
created, added = landlock.create_ruleset, landlock.add_path
left = ~downgrade.mask(RIGHTS)
landlock.create_ruleset = lambda fs, *more: created(fs & left, *more)
landlock.add_path = lambda fd, access, path: added(fd, access & left, path)
"""
"""Rights that are reported as handled, and are not."""
KEPT_GROUP = """
from pyopenshell.kernel import process
whole = process.set_ids
process.set_ids = lambda uid, gid, groups: whole(uid, gid, (*groups, 4242))
"""
DUMPABLE = """
from pyopenshell.kernel import process
whole = process.set_dumpable
process.set_dumpable = lambda on: whole(True)
"""


def argv(
    sandbox: world.Sandbox, *arguments: object, plant: str, policy: dict[str, Any] | None = None, **names: object
) -> list[str]:
    """Return the command with a plant; ``names`` are what it is about."""
    source = os.path.join(os.path.dirname(__file__), "..", "..", "..", "src")
    given = "".join(f"{name} = {value!r}\n" for name, value in {"SOURCE": source, **names}.items())
    words = sandbox.argv(*arguments, policy=policy)
    at = words.index("-m")
    words[at : at + 2] = ["-c", given + BLIND + plant + MAIN]
    return words


def run(sandbox: world.Sandbox, *arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run it to the end."""
    return subprocess.run(
        argv(sandbox, *arguments, **more),
        cwd=sandbox.workdir,
        env=sandbox.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=world.SECONDS,
        check=False,
    )


@contextmanager
def start(sandbox: world.Sandbox, *arguments: object, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """Start it, with pipes to its standard streams; it is killed at the end if it still runs."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    words = argv(sandbox, *arguments, **more)
    with subprocess.Popen(words, cwd=sandbox.workdir, env=sandbox.environment, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()
