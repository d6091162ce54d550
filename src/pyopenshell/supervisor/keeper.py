"""The supervisor of one sandbox: it has it made, starts programs in it, and tells who asks how they go on."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.errors import LaunchError, OpenShellError, SandboxGone
from pyopenshell.launch import dynamic_id, frames, private, wire
from pyopenshell.runs.registry import Run
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.bearer import Bearer
from pyopenshell.supervisor.doors import Doors
from pyopenshell.supervisor.mainly import Main
from pyopenshell.supervisor.program import Program
from pyopenshell.supervisor.visitor import Visitor
from pyopenshell.zygote import carry, failure
from pyopenshell.zygote.birth import Birth
from pyopenshell.zygote.loop import Loop
from pyopenshell.zygote.story import Story

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.launch.cgroups import Cgroup
    from pyopenshell.launch.plan import Plan
    from pyopenshell.launch.reports import Use
    from pyopenshell.zygote.birth import Proof

KEPT = 16
"""Sessions that ended while nobody followed them, whose end and last words are kept."""


class Keeper:
    """A sandbox from its plan to its end, as its supervisor's whole occupation."""

    def __init__(self, told: dict[str, Any], descriptors: list[int]) -> None:
        """Take over: the connection of who asked for it, the record, the link to who writes that, an id's lock."""
        connection, folder, link, *locks = descriptors
        self.loop = Loop()
        self.programs: dict[int, Program] = {}
        self.visitors: set[Visitor] = set()
        self.name: str = told["name"]
        self.key = os.urandom(protocol.KEY_SIZE)
        self.main = Main(self, told)
        self._record = Run(told["run_id"], self.name, told["record"], folder)
        here = carry.unpack(told["here"]).replace(pid=os.getpid())
        self.story = Story(self._record, here, carry.unpack(told["process"]))
        self._told = told
        self._identity_lock = locks.pop(0) if told["has_id"] else None
        self._cgroup = _cgroup(told["cgroups"], locks)
        self._private = carry.unpack(told["private"])
        self._link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, link)
        self._link_reader = frames.Reader(self._link)
        self._birth: Birth | None = None
        self._doors: Doors | None = None
        self._folder_lock: int | None = None
        self._waiting: list[Visitor] = []
        self._count = protocol.MAIN
        self._holds = False
        self._ending = False
        self._let_go = False
        self._uid = 0
        first = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, connection)
        self.visitors.add(Visitor(self, first, is_known=True))
        self.loop.watch(link, self._scribed)

    # From the plan to the receipt.

    def launch(self) -> None:
        """Have the sandbox made. What goes wrong is told to who asked for it."""
        plan: Plan = carry.unpack(self._told.pop("plan"))
        self._uid = plan.uid
        try:
            self._furnish(plan)
            self._birth = Birth(Bearer(self.loop, self._join), self, plan, self._told.pop("plain"))
        except (OSError, OpenShellError) as error:
            self.launch_failed(_ours(error))
            if not self._birth:
                self._leave()

    def _furnish(self, plan: Plan) -> None:
        """Make what the plan wants to find: the sandbox's own folder, a private one of the host."""
        if self._told["own_folder"] and os.geteuid() == 0:
            fd = os.open(self._told["own_folder"], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fchown(fd, plan.uid, plan.gid)
            finally:
                os.close(fd)
        if self._private:
            private.sweep()
            self._folder_lock = private.make(self._private, plan.uid, plan.gid)

    def _join(self, pid: int) -> None:
        """Put init, or its stem, where its limits hold. Raises LaunchError."""
        if self._cgroup:
            self._cgroup.join(pid)

    def proved(self, proof: Proof) -> None:
        """Have it looked at what says that the sandbox holds, and written down: both take memory."""
        if self._ending:
            return
        if not any(visitor.watches for visitor in self.visitors):  # who asked for it is gone, and told nobody of it
            self.launch_failed(SandboxGone("nobody waits for the sandbox any more"))
            return
        try:
            frames.send(self._link, protocol.PROOF, (os.getpid(), carry.pack(proof)))
        except OSError as error:  # the template has ended, and with it the gateway
            self.launch_failed(_ours(error))

    def _scribed(self) -> None:
        """Go on once the record says what the sandbox is: let init serve, start the main process, and tell."""
        for _kind, payload, _ in self._link_reader.take():
            error = marshal.loads(payload)  # noqa: S302 - from our template
            self._close_link()
            if not self._ending:
                self._begin(error)
        if self._link_reader.ended and not self._holds:
            self._close_link()
            self.launch_failed(SandboxGone("the gateway ended while the sandbox was made"))

    def _begin(self, error: dict[str, Any] | None) -> None:
        try:
            if error:
                raise failure.unpack(error)
            self._doors = Doors(self, self._record)
            self._holds = True
            self.main.begin()
        except (OSError, OpenShellError) as problem:
            self._holds = False
            self.launch_failed(_ours(problem))
            return
        self.changed()

    def _close_link(self) -> None:
        if self._link.fileno() >= 0:
            self.loop.forget(self._link.fileno())
            self._link.close()

    def launch_failed(self, error: OpenShellError) -> None:
        """End a launch that did not come to its receipt."""
        if not self._ending:
            packed = failure.pack(error)
            try:
                frames.send(self._link, protocol.FAILED, packed)
            except OSError:  # the template has ended
                pass
            for visitor in tuple(self.visitors):
                visitor.fail(packed)
        self._ending = True
        if self._birth:
            self._birth.end()

    # While it holds.

    def tell(self, kind: bytes, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Tell init; before the first time, that it may. Raises SandboxGone."""
        if not self._birth or self._ending:
            raise SandboxGone(f"sandbox {self.name} has ended")
        if not self._let_go:
            self._let_go = True
            self._birth.send(wire.GO)
        self._birth.send(kind, payload, descriptors)

    def start(self, asked: dict[str, Any]) -> Program:
        """Start a program. Raises SandboxGone, OSError."""
        self._count += 1
        return self.run(self._count, asked)

    def run(self, number: int, asked: dict[str, Any], before: Program | None = None) -> Program:
        """Start a program with a number, in the place of one ``before``. Raises SandboxGone, OSError."""
        program = self.programs[number] = Program(self, number, asked, before.replay if before else None)
        return program

    def signal(self, number: int, signal: int) -> None:
        """Send a signal to a program's process group."""
        self.tell(wire.SIGNAL, marshal.dumps((number, signal)))

    def attended(self, program: Program) -> None:
        """Note that somebody follows a program: the main process may have waited for that."""
        if program.number == protocol.MAIN:
            self.main.attended()

    def over(self, program: Program) -> None:
        """Note that a program has ended. Of those that nobody followed the last few are kept."""
        if program.number == protocol.MAIN:
            self.main.over(program)
            return
        if program.was_followed:
            self.programs.pop(program.number, None)
        ended = [one for one in self.programs.values() if one.is_over and one.number != protocol.MAIN]
        for old in ended[: max(0, len(ended) - KEPT)]:
            self.programs.pop(old.number, None)

    def frame(self, kind: bytes, payload: bytes, descriptor: int) -> None:
        """Take what init tells: of a program, or of what was asked for beside."""
        number, value = wire.number(payload), wire.number(payload[4:])
        if kind == wire.CONNECTED:
            self._connected(value, descriptor)
            return
        program = self.programs.get(number)
        if program is None:
            return
        if kind == wire.STARTED:
            program.begun(value, descriptor)
            if program.state == "failed":
                self.over(program)
        elif kind == wire.EXITED:
            program.exited(value)
        elif kind == wire.END:
            program.cleared()

    def files(self, visitor: Visitor) -> None:
        """Give a visitor a connection to a file agent in the sandbox. Raises SandboxGone, OSError."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            self.tell(wire.FILES, b"", [theirs.fileno()])
            visitor.give(ours.detach())
        finally:
            ours.close()
            theirs.close()

    def connect(self, visitor: Visitor, host: str, port: int) -> None:
        """Have init connect to somebody in the sandbox, and give a visitor that. Raises SandboxGone."""
        self.tell(wire.CONNECT, marshal.dumps((host, port)))
        self._waiting.append(visitor)

    def _connected(self, errno: int, descriptor: int) -> None:
        visitor = self._waiting.pop(0)
        if errno or descriptor < 0:
            code = errno or 5
            visitor.fail({**failure.pack(OpenShellError(os.strerror(code), code="connect")), "exit_code": code})
        else:
            visitor.give(os.dup(descriptor))

    def revise(self, told: dict[str, Any]) -> None:
        """Write down another policy, whose network section alone differs. Raises StateError."""
        self.story.revised(told)

    def brokered(self, use: Use) -> None:
        """Take a report of the broker."""
        self.story.brokered(use)

    def state(self) -> dict[str, Any]:
        """Return what is told of the sandbox as a whole."""
        record = self._record
        told = {"name": record.name, "run_id": record.id, "record": record.path, "pid": os.getpid()}
        return told | {"init": self._birth.init_pid if self._birth else 0, "main": self.main.told()}

    def changed(self) -> None:
        """Tell all who want to know."""
        if self._holds:
            for visitor in tuple(self.visitors):
                if visitor.watches:
                    visitor.send(protocol.STATE, self.state())

    # The end.

    def close(self) -> None:
        """End the sandbox, whatever it is doing."""
        self._ending = True
        if self._birth:
            self._birth.end()
        else:
            self._leave()

    def broke(self, error: Exception) -> None:
        """End the sandbox: we have a defect."""
        self.launch_failed(OpenShellError(f"openshell has a defect: {type(error).__name__}: {error}", code="internal"))

    def ended(self, why: str, survivors: Sequence[int] = ()) -> None:
        """Tell that nothing of it is left. ``why`` is how it came about, where nobody asked for it."""
        lost = None if self._ending else why
        counts = self._birth.counts if self._birth else None
        if not self._holds:
            self._birth = None
            self.launch_failed(LaunchError(f"cannot start the sandbox: {why}", step="unknown"))
            self._leave()
            return
        for program in self.programs.values():
            program.lost()
        self._birth = None
        self._ending = True
        troubles = self.story.closed(self._count, lost, counts, self.main.end())
        self._leave({"lost": lost, "troubles": troubles, "survivors": list(survivors)})

    def _leave(self, told: dict[str, Any] | None = None) -> None:
        """Undo what was made, tell, and go."""
        if self._doors:
            self._doors.close()
        self._unfurnish()
        self._close_link()
        self.story.close()
        self._record.close()  # the name is free from here on, and who is told finds it so
        for visitor in tuple(self.visitors):
            if told and visitor.watches:
                visitor.send(protocol.GONE, told)
            elif told:
                visitor.fail(failure.pack(SandboxGone(told["lost"] or f"sandbox {self.name} was stopped")))
            visitor.leave()
        self.loop.stopped = True

    def _unfurnish(self) -> None:
        if self._cgroup:
            self._cgroup.remove()
        if self._folder_lock is not None:
            private.remove(self._private)
        if self._identity_lock is not None:
            dynamic_id.release(self._uid, self._identity_lock)


def _cgroup(folders: list[str], locks: list[int]) -> Cgroup | None:
    """Return the sandbox's cgroup. What it takes is imported only where there is one."""
    if not folders:
        return None
    from pyopenshell.launch.cgroups import Cgroup

    return Cgroup(None, folders, locks)


def _ours(error: OSError | OpenShellError) -> OpenShellError:
    if isinstance(error, OpenShellError):
        return error
    return LaunchError(f"cannot start the sandbox: {error}", step="unknown", errno=error.errno)
