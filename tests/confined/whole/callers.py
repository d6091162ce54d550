"""Who calls the command in these tests, and in what surroundings."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from pyopenshell.kernel import namespaces as ns
from tests.confined.landlock.harness import NOBODY
from tests.confined.launch import world

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import _GeneratorContextManager
    from pathlib import Path

USER: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if world.IS_ROOT else {}
"""What makes a program an ordinary user's (the options of subprocess), whoever tests."""


class AsUser(world.Sandbox):
    """The command as an ordinary user starts it."""

    def run(
        self, *arguments: object, policy: dict[str, Any] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end as that user."""
        return super().run(*arguments, policy=policy, **(USER | options))

    def start(
        self, *arguments: object, policy: dict[str, Any] | None = None, **options: Any
    ) -> _GeneratorContextManager[subprocess.Popen[str], None, None]:
        """Start as that user."""
        return super().start(*arguments, policy=policy, **(USER | options))


def verb(sandbox: world.Sandbox, *words: str) -> subprocess.CompletedProcess[str]:
    """Run another verb of the command, as whom the sandbox's caller is, from another process."""
    settings: dict[str, Any] = USER if isinstance(sandbox, AsUser) else {}
    return subprocess.run(
        [*world.COMMAND, *words],
        cwd=sandbox.workdir,
        env=sandbox.environment,
        timeout=world.SECONDS,
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )


def shown(done: subprocess.CompletedProcess[str]) -> Any:
    """Return what a verb that must succeed printed as JSON."""
    assert (0, "") == (done.returncode, done.stderr)
    return json.loads(done.stdout)


def refused(sandbox: world.Sandbox, *arguments: object, **options: Any) -> dict[str, Any]:
    """Run what must fail before anything starts, and return the error."""
    marker = sandbox.workdir / "started"
    done = sandbox.run("-o", "json", *arguments, "--", "touch", marker, **options)
    assert (125, "") == (done.returncode, done.stdout)
    assert not marker.exists()
    error = json.loads(done.stderr)["error"]
    assert {"code", "message", "hint", "file", "line", "column"} <= set(error)
    return dict(error)


def told(sandbox: world.Sandbox, error: dict[str, Any]) -> str:
    """Return an error's message, with the test's own folder as WORK."""
    return str(error["message"]).replace(str(sandbox.workdir), "WORK")


def in_own_mounts(*actions: Callable[[], object]) -> Callable[[], None]:
    """Return a ``preexec_fn``: the program gets mounts of its own, changed by the actions; the host keeps its own."""

    def prepare() -> None:
        ns.unshare(ns.CLONE_NEWNS)
        ns.mount(None, "/", None, ns.MS_REC | ns.MS_PRIVATE, None)
        for action in actions:
            action()

    return prepare


def tmpfs(place: Path | str, options: str = "mode=755") -> Callable[[], object]:
    """Return the action that mounts an empty file system."""
    return lambda: ns.mount("tmpfs", str(place), "tmpfs", 0, options)


def devices(*extra: str) -> Callable[[], None]:
    """Return the action that gives the program a ``/dev`` of its own: the usual nodes, and these character devices."""
    names = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")
    usual = {name: os.stat(f"/dev/{name}").st_rdev for name in names}

    def make() -> None:
        os.umask(0)
        ns.mount("tmpfs", "/dev", "tmpfs", 0, "mode=755")
        for name, number in usual.items():
            os.mknod(f"/dev/{name}", 0o020666, number)
        for folder in ("pts", "shm"):
            os.mkdir(f"/dev/{folder}")
        for minor, name in enumerate(extra):
            os.mknod(f"/dev/{name}", 0o020666, os.makedev(195, minor))

    return make
