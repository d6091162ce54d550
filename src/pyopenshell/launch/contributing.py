"""Asking contributors: each in a process of its own, as the sandbox's identity, which writes nothing (decision 0014).

The caller starts a keeper for each contributor (``contributing_keeper``) and goes on with its own work; the keeper
starts the contributor's interpreter (``contributing_child``), in which alone anything of a third party is imported
(``contributor.harness``). What was said is judged in ``baseline.contributor``.
"""

from __future__ import annotations

import _socket
import marshal
import os
import select
import sys
import time

import pyopenshell
from pyopenshell.baseline import contributor as answers
from pyopenshell.baseline.answer import SCHEMA, Case, Ended
from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.effective.model import Identity
from pyopenshell.errors import ContributorError
from pyopenshell.kernel.signals import SIGKILL
from pyopenshell.launch import reap
from pyopenshell.launch.contributing_keeper import keep
from pyopenshell.record import Record
from pyopenshell.seccomp import bpf, rows_reading, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.baseline.contributor import Contribution
    from pyopenshell.policy.model import Policy

SECONDS = 10.0
"""How long a contributor may take, from the start of its interpreter."""
PIECE = 1 << 16


class Question(Record):
    """What every contributor of one sandbox is told, beside its name (``pyopenshell.contributor.Request``)."""

    command: tuple[str, ...]
    workdir: str
    gpu: int | None
    devices: tuple[str, ...]
    architecture: str


class Contributing:
    """Contributors under way. Start them early, ask for the result when it is needed, then ``close``."""

    def __init__(
        self,
        policy: Policy,
        identity: Identity,
        question: Question | None,
        landlock_abi: int,
        seconds: float = SECONDS,
    ) -> None:
        """Start the contributors that the policy names, all at once. Without a question they are only looked up."""
        self._looks = question is None
        self._asked: list[tuple[Case, int, _socket.socket]] = []
        rows = rows_reading.rows(landlock_abi) + table.rows(net_namespace=False, landlock_abi=landlock_abi)
        plan = {
            **identity.as_dict(),
            "change_identity": os.geteuid() == 0,
            "python": sys.executable,
            "harness": f"{os.path.dirname(os.path.abspath(pyopenshell.__file__))}/contributor/harness.py",
            "arguments": ["look"] if question is None else [],
            "landlock_abi": landlock_abi,
            "filter": bpf.build(rows, os.uname().machine),
            "seconds": seconds,
        }
        try:
            for named in policy.contributors:
                case = Case(named, policy.source.file, identity.uid, sys.executable, seconds)
                self._asked.append((case, *_start(plan, _request(named.name, identity, question, policy.declared))))
        except BaseException:
            self.close()
            raise

    def result(self) -> tuple[Contribution, ...]:
        """Wait for all of them, and return what they contribute. Raises ContributorError for the first that fails."""
        return tuple(self._judged(*one) for one in self._asked)

    def each(self) -> tuple[Contribution | ContributorError, ...]:
        """Wait for all of them; return what each contributes, or why it does not."""
        told: list[Contribution | ContributorError] = []
        for one in self._asked:
            try:
                told.append(self._judged(*one))
            except ContributorError as error:
                told.append(error)
        return tuple(told)

    def _judged(self, case: Case, _keeper: int, ours: _socket.socket) -> Contribution:
        judge = answers.look if self._looks else answers.judge
        ended = _ended(ours, case.seconds)
        try:
            return judge(case, ended)
        except ContributorError as error:
            text = ended.told.decode("utf-8", "replace")
            if text:
                shown = "".join(one if one.isprintable() or one == "\n" else "?" for one in text)
                error.add_note(f"What contributor {case.named.name} printed:\n{shown}")
            raise

    def close(self) -> None:
        """Let the keepers end what still runs, and wait for them."""
        for _case, _keeper, ours in self._asked:
            ours.close()
        for _case, keeper, _ours in self._asked:
            os.waitpid(keeper, 0)
        self._asked = []


def look_up(policy: Policy) -> tuple[Contribution | ContributorError, ...]:
    """Say what is installed under the names of a policy, as the caller sees it, without importing any of it."""
    caller = Identity(os.geteuid(), os.getegid(), tuple(sorted(os.getgroups())), "caller")
    looking = Contributing(policy, caller, None, 0)
    try:
        return looking.each()
    finally:
        looking.close()


def _request(name: str, identity: Identity, question: Question | None, declared: dict[str, Any]) -> bytes:
    told: dict[str, Any] = {"schema": SCHEMA, "name": name}
    if question is not None:
        who = {"uid": identity.uid, "gid": identity.gid, "groups": identity.groups, "home": identity.home}
        told |= question.as_dict() | {"identity": who, "policy": declared}
    return canonical_bytes(told)


def _ended(ours: _socket.socket, seconds: float) -> Ended:
    """Return what a keeper tells. It is ours, and tells in time; one that was killed has nothing to tell."""
    poll = select.poll()
    poll.register(ours, select.POLLIN)
    deadline = time.monotonic() + seconds + 2 * reap.PATIENCE
    data = b""
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        piece = ours.recv(PIECE)
        if not piece:
            break
        data += piece
    try:
        return Ended(*marshal.loads(data))  # noqa: S302 - from our own keeper
    except (EOFError, ValueError, TypeError):
        return Ended(code=-SIGKILL)


def _start(plan: dict[str, Any], request: bytes) -> tuple[int, _socket.socket]:
    """Fork a keeper. Returns its pid, and the socket on which it tells how it went."""
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    question = os.memfd_create("request", os.MFD_CLOEXEC)
    try:
        os.write(question, request)
        os.lseek(question, 0, os.SEEK_SET)
        keeper = os.fork()
        if keeper == 0:
            keep(plan, question, theirs)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
        os.close(question)
    return keeper, ours
