"""The gateway of this machine as a process of its own: started, waited for, stopped."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pyopenshell.cli.remote import not_installed
from pyopenshell.errors import OpenShellError
from pyopenshell.gateway import configuration
from pyopenshell.gateway.place import folder, running
from pyopenshell.state import open_folder, state_root

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.gateway.configuration import Gateway

PORT = 17670
PACKAGES = ("alembic", "asyncssh", "cryptography", "grpc", "grpc_health", "openshell", "pathspec", "sqlalchemy")
"""What a gateway takes beyond the command's own: the extra ``gateway`` of the distribution."""
LOG = "log"
"""What a detached gateway says, in its folder."""
LARGEST_LOG = 1 << 20
"""Bytes from which on a log is put aside, as ``log.1``, at the next start."""
START, STOP = 60.0, 60.0
"""Seconds a gateway has until it answers, and until it has ended."""


def process() -> Any:
    """Return the module that is a gateway. Raises OpenShellError where a package that it needs is not installed."""
    try:
        from pyopenshell.gateway import main
    except ModuleNotFoundError as missing:
        raise not_installed(missing) from missing
    return main


def port(host: str) -> int:
    """Return a port to listen on: that of the last time, the usual one, or 0 for any where both are taken."""
    wanted = [PORT]
    try:
        last = configuration.load(configuration.LOCAL).endpoint
        wanted = [last.port, PORT] if last.loopback and last.port else wanted
    except OpenShellError:  # none was registered yet, or it cannot be read
        pass
    return next((number for number in wanted if _is_free(host, number)), 0)


def is_down(gateway: Gateway) -> bool:
    """Return whether a gateway of this machine is none at the moment: nobody listens at its address."""
    if running() is not None:
        return False
    try:
        socket.create_connection((gateway.endpoint.host, gateway.endpoint.port), 1).close()
    except OSError:
        return True
    return False


def _is_free(host: str, number: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, number))
        except OSError:
            return False
    return True


def start_detached(words: Sequence[str] = ()) -> Gateway:
    """Start a gateway that outlives this process, with these options, and return it once it answers.

    Raises OpenShellError with what it said where it ends before that.
    """
    for package in PACKAGES:  # what is missing is said here, not in a log
        if find_spec(package) is None:
            raise not_installed(ModuleNotFoundError(name=package))
    os.close(open_folder(state_root()))
    os.close(open_folder(folder()))
    path = f"{folder()}/{LOG}"
    if os.path.exists(path) and os.path.getsize(path) > LARGEST_LOG:
        os.replace(path, f"{path}.1")
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    before = os.fstat(log).st_size
    try:
        started = subprocess.Popen(
            [sys.executable, "-I" if sys.flags.isolated else "-P", _program(), "gateway", "start", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(log)
    _wait(started, path, before)
    return configuration.load(configuration.LOCAL)


def _program() -> str:
    return str(Path(__file__).parents[1] / "__main__.py")


def _wait(started: subprocess.Popen[bytes], log: str, place: int) -> None:
    """Return once a gateway answers, this one or one that was faster: then it has written down where it is."""
    end = time.monotonic() + START
    while True:
        told = running()
        if told and (told.get("pid") == started.pid or started.poll() is not None):
            started.returncode = 0  # it is nobody's child from here on
            return
        if told is None and started.poll() is not None:
            raise OpenShellError(
                f"the gateway ended at once (exit code {started.returncode}): {_last(log, place) or 'it said nothing'}",
                hint=f"its log is {log}",
                code="gateway.start",
            )
        if time.monotonic() > end:
            started.terminate()
            raise OpenShellError(
                f"the gateway did not answer within {START:.0f} seconds", hint=f"its log is {log}", code="gateway.start"
            )
        time.sleep(0.02)


def _last(path: str, place: int) -> str:
    """Return what was said in a log from a place on, on one line."""
    with open(path, encoding="utf-8", errors="replace") as file:
        file.seek(place)
        lines = [line.strip() for line in file.read().splitlines() if line.strip()]
    return " · ".join(line.removeprefix("openshell: ") for line in lines[-3:])


def stop() -> dict[str, object]:
    """End this machine's gateway and return what it said of itself. Its sandboxes go on. Raises OpenShellError."""
    told = running()
    pid = told.get("pid") if told else None
    if told is not None and not isinstance(pid, int):
        raise OpenShellError("the gateway is just starting", hint="try again in a moment", code="gateway.starting")
    if told is None or not isinstance(pid, int):
        raise OpenShellError(
            f"no gateway runs on {state_root()}", hint="openshell gateway list shows those that are known",
            code="gateway.none",
        )  # fmt: skip
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return told
    try:
        if running() == told:  # the number is still that process's
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([pidfd], [], [], STOP)[0]:
            raise OpenShellError(
                f"the gateway (process {pid}) has not ended after {STOP:.0f} seconds",
                hint="calls that run are given a while; kill it, its sandboxes go on",
                code="gateway.stop",
            )
    finally:
        os.close(pidfd)
    return told
