"""One sandbox of the zygote: planned, launched, proved by its receipt, kept, and ended."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell import runs
from pyopenshell.audit import context
from pyopenshell.errors import LaunchError, OpenShellError
from pyopenshell.launch import dynamic_id, frames, private, wire
from pyopenshell.launch.endpoint import Endpoint
from pyopenshell.zygote import failure, protocol
from pyopenshell.zygote.beginning import Beginning
from pyopenshell.zygote.birth import Birth
from pyopenshell.zygote.command import Command
from pyopenshell.zygote.warm import Warm, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.launch.reports import Use
    from pyopenshell.zygote.birth import Proof
    from pyopenshell.zygote.limits import Differing
    from pyopenshell.zygote.server import Server


class Keeper:
    """A sandbox from its owner's wish to its end, which is told when nothing of it is left."""

    def __init__(self, server: Server, connection: _socket.socket) -> None:
        """Wait for what the owner asks for."""
        self.server = server
        self.commands: dict[int, Command] = {}
        self._connection = connection
        self._reader = frames.Reader(connection)
        self._outbox = frames.Outbox(connection)
        self.asked: dict[str, Any] = {}
        self.key = b""
        self.limits: Differing = ()
        self._birth: Birth | None = None
        self._story: Beginning | None = None
        self._warm: Warm | None = None
        self._record: runs.Run | None = None
        self._folder_lock: int | None = None
        self._endpoint: Endpoint | None = None
        self._holds = False
        self._is_let_go = False
        self._ending = False
        self._count = 0
        server.loop.watch(connection.fileno(), self._heard)

    @property
    def story(self) -> Beginning:
        """What its programs are told to."""
        assert self._story  # noqa: S101 - there are programs only in a sandbox that holds
        return self._story

    def tell(self, kind: bytes, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Tell init; before the first time, that it may."""
        if self._birth:
            if not self._is_let_go:
                self._is_let_go = True
                self._birth.send(wire.GO)
            self._birth.send(kind, payload, descriptors)

    def _heard(self) -> None:
        for kind, payload, descriptors in self._reader.take():
            if kind == protocol.CREATE and not self.asked:
                self.asked = marshal.loads(payload)  # noqa: S302 - from our owner
                self.limits = self.server.limits.differing()
                self.key = key(self.asked, self.limits)
                self.plan()
            elif kind == protocol.COMMAND and self._holds and not self._ending and descriptors:
                self._count += 1
                asked = marshal.loads(payload)  # noqa: S302 - from our owner
                self.commands[self._count] = Command(self, self._count, asked, descriptors)
            else:
                for fd in descriptors:
                    os.close(fd)
                if kind == protocol.CLOSE:
                    self.close()
        if self._reader.ended:
            self.server.loop.forget(self._connection.fileno())
            self.close()

    # Before the sandbox holds: plan, launch, receipt.

    def plan(self) -> None:
        """Take a plan that holds, or have one made."""
        warm = self.server.warmed.find(self.key)
        if warm:
            self.launch(warm)
            return
        try:
            self.server.planners.ask(self)
        except OSError as error:
            self.failed(OpenShellError(f"cannot plan the sandbox: fork: {error.strerror}", code="planning.died"))

    def launch(self, warm: Warm) -> None:
        """Have the sandbox made by a plan."""
        planned, name = warm.planned, self.asked["request"]["name"]
        self._warm = warm
        run_id = runs.new_id() if warm.is_lasting else planned.effective.run_id
        name = name or (runs.generated_name(run_id) if warm.is_lasting else planned.effective.name)
        self.server.surround(self.asked["environ"])
        try:
            if planned.private.host:
                private.sweep()
                self._folder_lock = private.make(planned.private, planned.identity.uid, planned.identity.gid)
            spare = self.server.spares.take(warm)
            self._birth = spare.adopt(self) if spare else Birth(self.server, self, planned.plan, warm.plain)
            # While init works, on another processor.
            meta = {**warm.meta, "started": context.now(), "owner_pid": self.server.owner}
            self._record = runs.create(name, planned.policy.source.text, meta, run_id=run_id, tidy=False)
            self._story = Beginning(warm, self._record, self.server.context(name, run_id))
        except (OSError, OpenShellError) as error:
            self.failed(_ours(error))
            return
        if spare and spare.receipt:
            self.holds(spare.receipt)
        self.server.tidy_sometimes()

    def proved(self, proof: Proof) -> None:
        """Take what says that the sandbox holds, once it was looked at."""
        if not self._birth:
            return
        try:
            receipt = proof.receipt(self._birth.plan)
        except OpenShellError as error:
            self.launch_failed(error)
            return
        self.holds(receipt)

    def holds(self, receipt: dict[str, Any]) -> None:
        """Take the receipt: write it down, let init serve, and tell the owner."""
        birth, record = self._birth, self._record
        if not birth or not record or self._ending:
            return
        try:
            self.story.enforced({**receipt, "effective_digest": self.story.digest})
        except (OSError, OpenShellError) as error:
            self.launch_failed(_ours(error))
            return
        try:
            self._endpoint = Endpoint(record.lock, lambda fd: birth.send(wire.PROBE, b"", [fd]))
            self.server.loop.watch(self._endpoint.fd, self._endpoint.serve)
        except OSError:  # its file system has no FIFOs: then there is no door, and a client is told so
            pass
        self._holds = True
        told = {"name": record.name, "run_id": record.id, "record": record.path, "pid": birth.init_pid}
        self._outbox.send(protocol.READY, marshal.dumps(told))
        if self._warm:
            self.server.spares.used(self._warm)

    def launch_failed(self, error: OpenShellError) -> None:
        """End a launch that did not come to its receipt. Its plan is not used again."""
        if self._warm:
            self.server.warmed.drop(self._warm)
        if not self._ending:
            if self._story:
                self._story.failed(error)
            self._outbox.send(protocol.FAILED, marshal.dumps(failure.pack(error)))
        self._ending = True
        if self._birth:
            self._birth.end()

    def failed(self, error: OpenShellError) -> None:
        """Tell that there will be no sandbox, where no process of one was started."""
        self.launch_failed(error)
        if not self._birth:
            self._leave()

    # While it holds.

    def brokered(self, use: Use) -> None:
        """Take a report of the broker."""
        self.story.brokered(use)

    def frame(self, kind: bytes, payload: bytes, terminal: int) -> None:
        """Take what init tells of a program."""
        number, value = wire.number(payload), wire.number(payload[4:])
        command = self.commands.get(number)
        if command is None:
            return
        if kind == wire.STARTED:
            command.begun(value, terminal)
        elif kind == wire.EXITED:
            command.exited(value)
        elif kind == wire.END:
            command.cleared()

    # The end.

    def close(self) -> None:
        """End the sandbox, whatever it is doing."""
        self.server.planners.forget(self)
        self._ending = True
        if self._birth:
            self._birth.end()
        else:
            self._leave()

    def broke(self, error: Exception) -> None:
        """End the sandbox: we have a defect, which its owner is told."""
        why = f"openshell has a defect: {type(error).__name__}: {error}"
        self._outbox.send(protocol.ENDED, marshal.dumps({"lost": why, "troubles": [], "survivors": []}))
        self.close()

    def ended(self, why: str, survivors: Sequence[int] = ()) -> None:
        """Tell that nothing of it is left. ``why`` is how it came about, where nobody asked for it."""
        birth = self._birth
        lost = None if self._ending else why
        for command in tuple(self.commands.values()):
            command.lost(why if lost else "the sandbox was closed")
        if not self._holds:
            if not self._ending:
                self._birth = None
                self.failed(LaunchError(f"cannot start the sandbox: {why}", step="unknown"))
                return
            self._leave()
            return
        troubles = self.story.closed(self._count, lost, birth.counts if birth else None)
        told = {"lost": lost, "troubles": troubles, "survivors": list(survivors)}
        self._outbox.send(protocol.ENDED, marshal.dumps(told))
        self._leave()

    def _leave(self) -> None:
        if self._endpoint:
            self.server.loop.forget(self._endpoint.fd)
            self._endpoint.close()
            self._endpoint = None
        planned = self._warm.planned if self._warm else None
        if planned and self._folder_lock is not None:
            private.remove(planned.private)
            os.close(self._folder_lock)
        if planned and planned.identity_lock is not None:
            dynamic_id.release(planned.identity.uid, planned.identity_lock)
        if self._story:
            self._story.close()
        if self._record:
            self._record.close()
        self._warm = self._record = self._folder_lock = self._story = None
        self._birth = None  # it knows us: two objects that nobody else knows would wait for the collector
        self.server.loop.forget(self._connection.fileno())
        self._outbox.close()
        self._reader.close()
        self._connection.close()
        self.server.leave(self)


def _ours(error: OSError | OpenShellError) -> OpenShellError:
    if isinstance(error, OpenShellError):
        return error
    return LaunchError(f"cannot start the sandbox: {error}", step="unknown", errno=error.errno)
