"""What a sandbox finds: its view of the host, and a ruleset of what it may reach there. Runs with init's privileges."""

from __future__ import annotations

import _socket
import marshal
import os
import stat
from errno import EMFILE, ENFILE, ENOSYS

from pyopenshell.kernel import process
from pyopenshell.landlock import ruleset
from pyopenshell.launch import mounts, prepare, private, terminal, wire
from pyopenshell.launch.become import become
from pyopenshell.launch.steps import CONTROL, guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from pyopenshell.launch.steps import Steps

    Opened = tuple[str, str, int, int, int]
    """What a rule is about: grant id, path, descriptor (-1 without one), Landlock mask, errno of opening it."""
    Quiet = tuple[str, int, int]
    """A path whose denials are not logged: path, descriptor (-1 without one), errno of opening it."""


NO_PATH_OPENS = (ENOSYS, EMFILE, ENFILE)
"""Answers to openat2(2) that any path would get: nothing is missing, and a sandbox without its grants is of no use."""
RULESET = b"r"
"""arranging child → init: it is done; with the ruleset's descriptor, where there is to be a domain."""


class View:
    """The sandbox's view of the host, and what its rules are about, opened with privileges."""

    def __init__(self, plan: dict[str, Any], steps: Steps) -> None:
        """Make it: steps 5 to 8. Raises OSError."""
        self._plan = plan
        with steps.run("preparation"):  # 5
            made, self.created = _prepare(plan)
        self.unbound: dict[str, int] = {}
        with steps.run("mounts", "done" if plan["namespaces"]["mount"] else "no mount namespace"):  # 6
            if plan["namespaces"]["mount"]:
                self.unbound = mounts.apply(plan)
            if not plan["private"]["host"]:
                os.close(private.make(private.Private(**plan["private"]), plan["uid"], plan["gid"]))
        with steps.run("terminal", "own terminal" if plan["terminal"] else "none"):  # 7
            if plan["terminal"]:
                os.setsid()
                terminal.open_inside(CONTROL, plan["uid"], plan["gid"])
        with steps.run("path descriptors"):  # 8: after the mounts, before privileges are dropped
            self._opened: list[Opened] = list(_open_paths(plan, made, self.unbound))
            self._quiet: list[Quiet] = [(path, *_open(path, follow=False)) for path in plan["quiet"]]

    def reach(self) -> list[dict[str, Any]]:
        """Return what file modes allow this process, which has the sandbox's identity by now."""
        return [{"grant": grant, **_reach(path, fd)} for grant, path, fd, _mask, _errno in self._opened if fd >= 0]

    def rules(self) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
        """Return a ruleset's descriptor, what became of each rule, and of each path whose denials are not logged."""
        fs, net, scoped = self._plan["handled"]
        usable = [(grant, fd, mask) for grant, _path, fd, mask, _errno in self._opened if fd >= 0]
        ruleset_fd, outcomes = ruleset.build(fs, net, scoped, usable, with_quiet=bool(self._quiet))
        hushed = [
            ruleset.hush(ruleset_fd, path, fd) if fd >= 0 else {"path": path, "dev": None, "ino": None, "errno": errno}
            for path, fd, errno in self._quiet
        ]
        missing: list[dict[str, Any]] = [
            {"grant": grant, "dev": None, "ino": None, "requested": [], "actual": [], "errno": errno}
            for grant, _path, fd, _mask, errno in self._opened
            if fd < 0
        ]
        return ruleset_fd, [*outcomes, *missing], hushed

    def told(self, reach: list[Any], rules: list[Any], hushed: list[Any]) -> dict[str, Any]:
        """Return what the receipt says of it."""
        log = list(self._plan["log"]) if self._plan["confined"] else []
        landlock = {"log": log, "quiet": hushed}
        made = {"created": self.created, "unbound": self.unbound}
        return {"rules": rules, "reach": reach, **made, "landlock": landlock}

    def close(self) -> None:
        """Close what the rules are about."""
        for fd in (*(entry[2] for entry in self._opened), *(entry[1] for entry in self._quiet)):
            if fd >= 0:
                os.close(fd)


class Apart:
    """A view that a child of init makes, whose memory goes with it, with the ruleset: to init it is a ``View``.

    The child shares init's namespaces, and tells the supervisor itself what became of all (``ARRANGED``), or what
    failed. Init, which stays, need not even know the part of the plan that this takes (``plan.divided``).
    """

    def __init__(self, plan: dict[str, Any], steps: Steps) -> None:
        """Have it made. Raises OSError."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            ours.close()
            guarded(steps, lambda: _arrange(plan, steps, theirs))
        theirs.close()
        frame = wire.receive_descriptor(ours)
        ours.close()
        os.waitpid(pid, 0)
        if frame is None:
            os._exit(125)  # it has told why
        self._ruleset = frame[2]

    def reach(self) -> list[dict[str, Any]]:
        """Return nothing: it is told."""
        return []

    def rules(self) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the ruleset's descriptor."""
        return self._ruleset, [], []

    def told(self, _reach: list[Any], _rules: list[Any], _hushed: list[Any]) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Nothing is open here."""


def _arrange(plan: dict[str, Any], steps: Steps, init: _socket.socket) -> int:
    before = len(steps.done)
    plan |= marshal.loads(plan["arranging"])  # noqa: S302 - from the supervisor
    view = View(plan, steps)
    become(plan)
    fd, rules, hushed = view.rules() if plan["confined"] else (-1, [], [])
    told = view.told(view.reach(), rules, hushed)
    wire.send_value(CONTROL, wire.ARRANGED, {**told, "steps": steps.done[before:]})
    if fd >= 0:
        wire.send_descriptor(init, RULESET, fd)
    else:
        wire.send(init.fileno(), RULESET)
    return 0


def _prepare(plan: dict[str, Any]) -> tuple[dict[str, int], list[str]]:
    made: dict[str, int] = {}
    created: list[str] = []
    for grant, path in plan["create"]:
        try:
            fd, is_new = prepare.make_folder(path, plan["uid"], plan["gid"])
        except OSError:
            continue  # then it is missing like any other path: opening it says why
        made[grant] = fd
        if is_new:
            created.append(grant)
    return made, created


def _open_paths(plan: dict[str, Any], made: dict[str, int], unbound: dict[str, int]) -> Iterator[Opened]:
    """Open what each rule is about. A path that cannot be opened is recorded; the others are not touched by it.

    Nor is one opened where something of the host was to be shown and is not: what is there instead was not asked for.
    """
    for grant, path, follow, mask in plan["rules"]:
        fd, errno = made.get(grant, -1), unbound.get(grant, 0)
        if fd < 0 and not errno:
            fd, errno = _open(path, follow=follow)
        yield grant, path, fd, mask, errno


def _open(path: str, *, follow: bool) -> tuple[int, int]:
    """Return the descriptor of a path and 0, or -1 and the errno. Raises what is not about this path (OSError)."""
    # /proc/self is followed, /proc/self/root and its like never: they lead anywhere.
    resolve = process.RESOLVE_NO_MAGICLINKS if follow else process.RESOLVE_NO_SYMLINKS
    try:
        return process.openat2(process.AT_FDCWD, path, os.O_PATH | os.O_CLOEXEC, 0, resolve), 0
    except OSError as error:
        if error.errno in NO_PATH_OPENS:
            raise
        return -1, error.errno or 0


def _reach(path: str, fd: int) -> dict[str, Any]:
    """Ask, as the identity, what file modes allow: the errno of finding, reading, writing and executing the path."""
    modes = {"find": os.F_OK, "read": os.R_OK, "write": os.W_OK, "execute": os.X_OK}
    answers: dict[str, Any] = {"folder": stat.S_ISDIR(os.fstat(fd).st_mode)}
    for name, mode in modes.items():
        # Real and effective ids are the same by now. access(2) by way of ``os`` is quick and does not tell the errno.
        refused = not os.access(path, mode)
        answers[name] = process.access_errno(process.AT_FDCWD, path, mode, process.AT_EACCESS) if refused else 0
    return answers
