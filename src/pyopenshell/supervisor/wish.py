"""One sandbox that a template was asked for: planned, made by a supervisor that forks it, and written down."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell import runs
from pyopenshell.audit import context
from pyopenshell.errors import LaunchError, OpenShellError, SandboxGone
from pyopenshell.launch import frames
from pyopenshell.runs.registry import SCHEMA
from pyopenshell.supervisor import protocol
from pyopenshell.zygote import carry, failure
from pyopenshell.zygote.beginning import Beginning
from pyopenshell.zygote.birth import Birth
from pyopenshell.zygote.warm import key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.launch.cgroups import Cgroup
    from pyopenshell.launch.reports import Use
    from pyopenshell.supervisor.template import Template
    from pyopenshell.zygote.birth import Proof
    from pyopenshell.zygote.limits import Differing
    from pyopenshell.zygote.warm import Warm

_ASKED = ("request", "policy", "environ", "cwd")
"""What a plan follows from."""


class Wish:
    """One sandbox that is asked for, until it has a supervisor."""

    def __init__(self, template: Template, connection: _socket.socket) -> None:
        """Wait for what is wanted."""
        self.asked: dict[str, Any] = {}
        self.key = b""
        self.limits: Differing = ()
        self.loop = template.loop
        self.unbounded = template.unbounded
        self.places = True
        self._template = template
        self._supervisor = 0
        self._birth: Birth | None = None
        self._connection: _socket.socket | None = connection
        self._link: _socket.socket | None = None
        self._record: runs.Run | None = None
        self._beginning: Beginning | None = None
        self._warm: Warm | None = None
        self._cgroup: Cgroup | None = None
        self._meta: dict[str, Any] = {}
        self._reader = frames.Reader(connection)
        template.loop.watch(connection.fileno(), self._heard)

    def _heard(self) -> None:
        for kind, payload, descriptors in self._reader.take():
            for fd in descriptors:
                os.close(fd)
            if kind == protocol.LAUNCH and not self.asked:
                self.asked = marshal.loads(payload)  # noqa: S302 - from our gateway
                self.limits = self._template.limits.differing()
                self.key = key({name: self.asked[name] for name in _ASKED}, self.limits)
                self.plan()
        if self._reader.ended:
            self._template.planners.forget(self)
            self._release()

    def plan(self) -> None:
        """Take a plan that holds, or have one made."""
        warm = self._template.warmed.find(self.key)
        if warm:
            self.launch(warm)
            return
        try:
            self._template.planners.ask(self)
        except OSError as error:
            self.failed(OpenShellError(f"cannot plan the sandbox: fork: {error.strerror}", code="planning.died"))

    def launch(self, warm: Warm) -> None:
        """Have its supervisor forked, with a record to write to."""
        planned, self._warm = warm.planned, warm
        os.environ.clear()
        os.environ.update(self.asked["environ"])  # where the state is kept follows from that
        run_id = runs.new_id() if warm.is_lasting else planned.effective.run_id
        name = self.asked["request"]["name"] or runs.generated_name(run_id)
        meta = {**warm.meta, **self.asked["meta"], "started": context.now()}
        try:
            if planned.effective.limits:
                warm = self._warm = self._limit(warm, run_id)
                meta["cgroups"] = list(self._cgroup.folders) if self._cgroup else []
            self._meta = {**meta, "schema": SCHEMA, "id": run_id, "name": name}
            self._record = runs.create(name, planned.policy.source.text, meta, run_id=run_id, tidy=False)
            here = self._template.here.replace(sandbox=name, run_id=run_id)
            self._beginning = Beginning(warm, self._record, here)
            if self._connection:
                self.loop.forget(self._connection.fileno())  # the supervisor hears it from here on
            self._birth = Birth(self, self, planned.plan, warm.divided)
        except (OSError, OpenShellError) as error:
            if isinstance(error, OSError):
                error = OpenShellError(f"cannot start a supervisor: {error}", code="system")
            self.failed(error)
            return
        finally:
            if planned.identity_lock is not None:
                os.close(planned.identity_lock)  # the supervisor holds it

    def _limit(self, warm: Warm, run_id: str) -> Warm:
        """Make the sandbox's cgroup. Raises PolicyRefused."""
        from pyopenshell.launch import cgroups

        self._cgroup = cgroups.prepare(warm.planned.effective.replace(run_id=run_id))
        return warm.limited(self._cgroup.effective) if self._cgroup and self._cgroup.effective else warm

    # While it is made. What this takes of memory, the supervisor need not have.

    def bear(self, birth: Birth, kind: bytes, flags: int, descriptors: list[int]) -> None:
        """Have the sandbox's supervisor forked, which forks it. Raises OSError."""
        warm, record = self._warm, self._record
        if not self._connection or not warm or not record:
            return
        planned, lock = warm.planned, warm.planned.identity_lock
        here = self._template.here.replace(sandbox=record.name, run_id=record.id)
        self._link, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        told = {
            "kind": kind,
            "flags": flags,
            "ends": len(descriptors),
            "broker": birth.inbox is not None,
            "apart": planned.plan.namespaces["pid"],
            "uid": planned.plan.uid,
            "gid": planned.plan.gid,
            "name": record.name,
            "run_id": record.id,
            "record": record.path,
            "private": carry.pack(planned.private) if planned.private.host else None,
            "own_folder": planned.request.own_folder,
            "story": marshal.dumps((carry.pack(here), carry.pack(warm.process))),
            "main": self.asked["main"],
            "held": self.asked["held"],
            "restart": self.asked["restart"],
            "has_id": lock is not None,
            "cgroups": list(self._cgroup.folders) if self._cgroup else [],
        }
        descriptors = [*descriptors, self._connection.fileno(), record.lock, theirs.fileno(), birth.control.fileno()]
        descriptors += [birth.inbox.fd] if birth.inbox else []
        descriptors += [] if lock is None else [lock]
        descriptors += self._cgroup.locks if self._cgroup else []
        try:
            self._template.bear(told, descriptors)
        finally:
            theirs.close()
        self._reader = frames.Reader(self._link)
        self.loop.watch(self._link.fileno(), self._told)

    def _told(self) -> None:
        """Take what the supervisor tells."""
        for kind, payload, descriptors in self._reader.take():
            for fd in descriptors:
                os.close(fd)
            told = marshal.loads(payload)  # noqa: S302 - from our supervisor
            if not self._birth:
                continue
            if kind == protocol.BORN:
                self._supervisor, pid = told
                self._birth.born(pid)
            elif kind == protocol.DIED:
                self._birth.died(*told)
            elif kind == protocol.FAILED:
                if self._beginning:
                    self._beginning.failed(failure.unpack(told))
                self._finish()
                return
        if self._reader.ended:
            self._finish()

    def launch_failed(self, error: OpenShellError) -> None:
        """Have the supervisor end what there is of the sandbox, and tell why."""
        self._template.planners.forget_hosts()
        if self._beginning:
            self._beginning.failed(error)
            self._answer(failure.pack(error))

    def ended(self, why: str, _survivors: Sequence[int] = ()) -> None:
        """Note that it ended before it held."""
        self.launch_failed(LaunchError(f"cannot start the sandbox: {why}", step="unknown"))

    def brokered(self, _use: Use) -> None:
        """Nothing has run in it."""

    def frame(self, _kind: bytes, _payload: bytes, _terminal: int) -> None:
        """Nothing has run in it."""

    def proved(self, proof: Proof) -> None:
        """Look at what says that the sandbox holds, and write it down: then it is the supervisor's."""
        if not self._beginning or not self._birth or not self._record:
            return
        try:
            if self._is_left():
                raise SandboxGone("nobody waits for the sandbox any more")
            receipt = proof.receipt(self._birth.plan)
            self._record.write_json("meta.json", {**self._meta, "supervisor_pid": self._supervisor})
            self._beginning.enforced({**receipt, "effective_digest": self._beginning.digest})
        except (OSError, OpenShellError) as error:
            if isinstance(error, OSError):
                error = OpenShellError(f"cannot write the record: {error}", code="system")
            self.launch_failed(error)
        else:
            self._answer(None)

    def _is_left(self) -> bool:
        """Whether who asked for it has gone."""
        try:
            return not (self._connection and self._connection.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _answer(self, error: dict[str, Any] | None) -> None:
        """Tell the supervisor that it may go on, or not; and hear no more of either."""
        link, init = self._link, self._birth.init_pid if self._birth else 0
        self._release()  # first: who is told that the sandbox ended finds its name free, and init its supervisor gone
        if link:
            frames.Outbox(link).send(protocol.DONE, marshal.dumps((error, init)))
        self._finish()

    def _finish(self) -> None:
        """Hear no more of the supervisor."""
        if self._link:
            self.loop.forget(self._link.fileno())
            self._reader.close()
            self._link.close()
            self._link = None
        self._release()

    def _release(self) -> None:
        """Leave the sandbox, its record, its limits, and who asked for it, to the supervisor."""
        if self._birth:
            self._birth.close()
            self._birth = None
        if self._beginning:
            self._beginning.close()
            self._beginning = None
        if self._record:
            self._record.close()
            self._record = None
        if self._cgroup:
            self._cgroup.leave()
            self._cgroup = None
        if self._connection:
            self.loop.forget(self._connection.fileno())
            self._connection.close()
            self._connection = None

    def failed(self, error: OpenShellError) -> None:
        """Tell that there will be no sandbox."""
        if self._link:
            self.launch_failed(error)
            return
        if self._beginning:
            self._beginning.failed(error)
        if self._cgroup:
            self._cgroup.remove()
        if self._connection:
            frames.Outbox(self._connection).send(protocol.FAILED, marshal.dumps(failure.pack(error)))
        self._release()

    def broke(self, error: Exception) -> None:
        """Tell that we have a defect."""
        self.failed(OpenShellError(f"openshell has a defect: {type(error).__name__}: {error}", code="internal"))
