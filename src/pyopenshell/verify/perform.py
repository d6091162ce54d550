"""A verification from beginning to end: of a sandbox that runs, or of one whose program has not started yet."""

from __future__ import annotations

import _socket
import os
from errno import ENOENT

from pyopenshell.effective import load
from pyopenshell.errors import OpenShellError
from pyopenshell.kernel import process
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.launch import endpoint, namer, probing
from pyopenshell.launch.become import become
from pyopenshell.launch.probe import UNTRIED
from pyopenshell.verify import outside
from pyopenshell.verify.attempt import CLEANUP
from pyopenshell.verify.attempts import plan
from pyopenshell.verify.judge import Verification, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from pyopenshell.effective.model import Effective, Identity
    from pyopenshell.runs import RunView
    from pyopenshell.verify.attempt import Attempt

    Try = Callable[[list[tuple[Any, ...]]], list[int]]
    """Tries attempts inside a sandbox; fewer answers where that ended early."""


def fresh(effective: Effective, receipt: dict[str, Any], attempt: Try) -> Verification:
    """Verify a sandbox of this process, whose program has not started. Raises OpenShellError, and as ``attempt``."""
    return _verify(effective, receipt, os.getpid(), attempt)


def live(view: RunView) -> Verification:
    """Verify a sandbox that runs, by its record. Raises OpenShellError where it does not, or cannot be asked."""
    effective, receipt = view.effective(), view.receipt()
    if view.state != "running" or effective is None or receipt is None:
        raise OpenShellError(
            f"sandbox {view.name} does not run (it is {view.state}), so there is nothing to try",
            hint="openshell sandbox list shows those that do; openshell run --verify tries before the program starts",
            code="sandbox.not-running",
        )
    return _verify(load.from_dict(effective), receipt, view.meta()["supervisor_pid"], lambda calls: _ask(view, calls))


def _verify(effective: Effective, receipt: dict[str, Any], supervisor: int, attempt: Try) -> Verification:
    around = _Around(effective)
    try:
        attempts = plan(effective, receipt, around.seen(effective.identity, supervisor))
        answers = attempt([one.call for one in attempts])
    except OSError as error:  # what nobody could be asked
        raise OpenShellError(
            f"the sandbox {effective.name} cannot be asked: {error.strerror or 'its supervisor does not answer'}",
            hint="it has ended, or its supervisor was stopped, or the state folder's file system has no sockets",
            code="verify.unreachable",
        ) from error
    finally:
        around.close()
    _remove_left(attempts, answers, around.token)
    if not answers:
        raise OpenShellError(
            f"nobody answers in sandbox {effective.name}",
            hint="its supervisor may have been stopped (SIGSTOP, Ctrl-Z), or the host is out of processes",
            code="verify.unreachable",
        )
    left = attempts[len(answers) :]
    judged = judge(attempts, [*answers, *[UNTRIED] * len(left)])
    return Verification(effective.name, effective.run_id, judged, f"{left[0].what} {left[0].target}" if left else None)


def _ask(view: RunView, calls: list[tuple[Any, ...]]) -> list[int]:
    """Let a probe be started through the sandbox's door. Raises OSError."""
    folder = os.open(view.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        connection = endpoint.connect(folder)
        try:
            endpoint.ask(connection, folder, endpoint.PROBE)
            return probing.talk(connection, calls)
        finally:
            connection.close()
    finally:
        os.close(folder)


def _remove_left(attempts: Sequence[Attempt], answers: Sequence[int], token: str) -> None:
    """Remove from outside what was made where nothing could be made, if the report were right, nor removed.

    Only what has the token in its own name: folders on the way may be the sandbox's to exchange.
    """
    for attempt, answer in zip(attempts, answers, strict=False):
        if attempt.expected == CLEANUP and answer not in (0, ENOENT) and token in os.path.basename(attempt.target):
            try:
                (os.rmdir if attempt.call[-1] else os.unlink)(attempt.target)
            except OSError:  # it never was, or it is the sandbox's alone
                pass


class _Around:
    """What is set up outside for the time of a verification: sockets that listen, and a process to look at."""

    def __init__(self, effective: Effective) -> None:
        """Set it up. What cannot be had is not tried."""
        self.token = outside.token()
        name = f"openshell-verify-{self.token[-16:]}"
        self._abstract, self._pathname = b"\0" + name.encode(), f"/tmp/{name}"  # noqa: S108
        self._sockets = [_listener(self._abstract), _listener(self._pathname)]
        sees_processes = effective.isolation["pid"].state != "private"
        self._bystander = _bystander(effective.identity) if sees_processes else 0

    def seen(self, who: Identity, supervisor: int) -> outside.Outside:
        """Return what there is to try."""
        abstract, pathname = self._sockets
        return outside.Outside(
            home=outside.home(),
            folders=outside.own_folders(),
            supervisor=supervisor,
            bystander=self._bystander,
            namespaces=outside.namespaces(),
            abstract=self._abstract if abstract else None,
            pathname=self._pathname if pathname else None,
            token=self.token,
            entries=lambda folder: outside.entries(folder, who),
            look=outside.look,
        )

    def close(self) -> None:
        """Remove it all."""
        for listening in self._sockets:
            if listening:
                listening.close()
        if self._sockets[1]:
            os.unlink(self._pathname)
        if self._bystander:
            os.kill(self._bystander, SIGKILL)
            os.waitpid(self._bystander, 0)


def _listener(address: bytes | str) -> _socket.socket | None:
    """Return a socket that listens, open to every user; None where it cannot be made."""
    listening = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        listening.bind(address)
        if isinstance(address, str):
            os.chmod(address, 0o666)  # noqa: S103 - whoever is kept from it is so by the sandbox alone
        listening.listen(1)
    except OSError:
        listening.close()
        return None
    return listening


def _bystander(identity: Identity) -> int:
    """Start a program of the sandbox's own user outside of it, which only waits; 0 where that fails."""
    ready, failed = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            become({**identity.as_dict(), "change_identity": os.geteuid() == 0})
            process.set_parent_death_signal(SIGKILL)
            namer.execute(namer.waiting())
        except OSError:
            os.write(failed, b"!")
        finally:
            os._exit(1)
    os.close(failed)
    started = not os.read(ready, 1)
    os.close(ready)
    if not started:
        os.waitpid(pid, 0)
    return pid if started else 0
