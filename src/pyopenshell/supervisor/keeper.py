"""The supervisor of one sandbox: it has it made, starts programs in it, and tells who asks how they go on."""

from __future__ import annotations

import _socket
import marshal
import os

from pyopenshell.audit.log import Log
from pyopenshell.errors import LaunchError, OpenShellError, SandboxGone
from pyopenshell.launch import frames, wire
from pyopenshell.launch.reports import Inbox
from pyopenshell.runs.registry import Run
from pyopenshell.supervisor import protocol
from pyopenshell.supervisor.belongings import Belongings
from pyopenshell.supervisor.doors import Doors
from pyopenshell.supervisor.mainly import Main
from pyopenshell.supervisor.program import Program
from pyopenshell.supervisor.visitor import Visitor
from pyopenshell.supervisor.ways_in import WaysIn
from pyopenshell.zygote import carry, failure
from pyopenshell.zygote.kept import Kept
from pyopenshell.zygote.loop import Loop
from pyopenshell.zygote.story import Story

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pyopenshell.launch.reports import Use
    from pyopenshell.supervisor.bearer import Bearer

KEPT = 16
"""Sessions whose end and last words are kept, of those of whose end nobody has taken note."""


class Keeper:
    """A sandbox from its plan to its end, as its supervisor's whole occupation."""

    def __init__(self, told: dict[str, Any], descriptors: list[int], bearer: Bearer) -> None:
        """Take over a sandbox that is forked: its control socket, its broker's inbox where it has one.

        And the connection of who asked for it, the record, the link to the template, the locks of an id and of limits.
        """
        connection, folder, link, control, *rest = descriptors
        self.loop = Loop()
        self.programs: dict[int, Program] = {}
        self.visitors: set[Visitor] = set()
        self.name: str = told["name"]
        self.key = os.urandom(protocol.KEY_SIZE)
        self.main = Main(self, told)
        self._record = Run(told["run_id"], self.name, told["record"], folder)
        inbox = (
            Inbox(_socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, rest.pop(0))) if told["broker"] else None
        )
        self._kept = Kept(self.loop, self, _stream(control), inbox, apart=told["apart"])
        self._kept.pid = max(0, bearer.pid)
        self._bearer = bearer
        self._told = told
        self._belongings = Belongings(told, rest)
        self._link = _stream(link)
        self._link_reader = frames.Reader(self._link)
        self._doors: Doors | None = None
        self.ways_in = WaysIn(self)
        self._count = protocol.MAIN
        self._holds = False
        self._ending = False
        self._let_go = False
        self._is_dead = bearer.pid < 0
        self._death: tuple[int, list[int]] | None = None
        self._log = Log(folder)
        self._story: Story | None = None
        self.visitors.add(Visitor(self, _stream(connection), is_known=True))
        self.loop.watch(link, self._answered)
        bearer.watch(self.loop, self._died)

    @property
    def story(self) -> Story:
        """What is written down of it. What that takes is unpacked when there is something to tell."""
        if self._story is None:
            here, process = marshal.loads(self._told["story"])  # noqa: S302 - from our template
            context = carry.unpack(here).replace(pid=os.getpid())
            self._story = Story(self._record, context, carry.unpack(process), self._log)
        return self._story

    # Until it holds.

    def launch(self) -> None:
        """Have the sandbox made, by the template, which looks at all of it and writes it down: that takes memory."""
        try:
            if self._is_dead:
                raise OSError(-self._bearer.pid, os.strerror(-self._bearer.pid), "fork")
            self._belongings.make(self._bearer.pid)
            frames.send(self._link, protocol.BORN, (os.getpid(), self._bearer.pid))
        except (OSError, OpenShellError) as error:
            self.launch_failed(_ours(error))

    def _answered(self) -> None:
        """Go on once the record says what the sandbox is: let init serve, start the main process, and tell."""
        for _kind, payload, _ in self._link_reader.take():
            error, init = marshal.loads(payload)  # noqa: S302 - from our template
            self._close_link()
            if error:
                self.launch_failed(failure.unpack(error))
            elif not self._ending:
                self._begin(init)
        if self._link_reader.ended and not self._holds:
            self._close_link()
            self.launch_failed(SandboxGone("the gateway ended while the sandbox was made"))

    def _begin(self, init: int) -> None:
        try:
            if not self._death:
                self._kept.know(init)
            self._doors = Doors(self, self._record)
            self._holds = True
            if self._death:  # just now, after the template had seen to all
                self._kept.died(*self._death)
                return
            self._kept.follow()
            self.main.begin()
        except (OSError, OpenShellError) as problem:
            self._holds = False
            self.launch_failed(_ours(problem))
            return
        self.changed()

    def _died(self, status: int, survivors: list[int]) -> None:
        """Take the end of init, or of its stem. Why it came to that before the sandbox held, the template knows."""
        self._is_dead = True
        if self._holds:
            self._kept.died(status, survivors)
        elif self._ending:
            self._leave()
        else:
            self._death = status, survivors
            try:
                frames.send(self._link, protocol.DIED, self._death)
            except OSError as error:  # the template has ended, and with it the gateway
                self.launch_failed(_ours(error))

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
            except OSError:  # the template has told us, or has ended
                pass
            for visitor in tuple(self.visitors):
                visitor.fail(packed)
        self._ending = True
        if self._is_dead:
            self._leave()
        else:
            self._kept.end()

    # While it holds.

    def tell(self, kind: bytes, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Tell init; before the first time, that it may. Raises SandboxGone."""
        if self._is_dead or self._ending:
            raise SandboxGone(f"sandbox {self.name} has ended")
        if not self._let_go:
            self._let_go = True
            self._kept.send(wire.GO)
        self._kept.send(kind, payload, descriptors)

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
        """Note that a program has ended. The last few are kept until somebody has taken note of that."""
        if program.number == protocol.MAIN:
            self.main.over(program)
            return
        if program.state == "failed":  # who asked for it was told
            self.programs.pop(program.number, None)
        ended = [one for one in self.programs.values() if one.is_over and one.number != protocol.MAIN]
        for old in ended[: max(0, len(ended) - KEPT)]:
            self.programs.pop(old.number, None)

    def taken(self, program: Program) -> None:
        """Forget a program of whose end somebody has taken note."""
        if program.is_over and program.number != protocol.MAIN:
            self.programs.pop(program.number, None)

    def frame(self, kind: bytes, payload: bytes, descriptor: int) -> None:
        """Take what init tells: of a program, or of what was asked for beside."""
        number, value = wire.number(payload), wire.number(payload[4:])
        if kind == wire.CONNECTED:
            self.ways_in.connected(value, descriptor)
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
        return told | {"init": self._kept.init_pid, "main": self.main.told()}

    def changed(self) -> None:
        """Tell all who want to know."""
        if self._holds:
            for visitor in tuple(self.visitors):
                if visitor.watches:
                    visitor.send(protocol.STATE, self.state())

    # The end.

    def close(self) -> None:
        """End the sandbox, whatever it is doing."""
        if not self._holds:
            self.launch_failed(SandboxGone(f"sandbox {self.name} was stopped"))
            return
        self._ending = True
        self._kept.end()

    def broke(self, error: Exception) -> None:
        """End the sandbox: we have a defect."""
        self.launch_failed(OpenShellError(f"openshell has a defect: {type(error).__name__}: {error}", code="internal"))

    def ended(self, why: str, survivors: Sequence[int] = ()) -> None:
        """Tell that nothing of it is left. ``why`` is how it came about, where nobody asked for it."""
        lost = None if self._ending else why
        for program in self.programs.values():
            program.lost()
        self._ending = True
        troubles = self.story.closed(self._count, lost, self._kept.counts, self.main.end())
        self._leave({"lost": lost, "troubles": troubles, "survivors": list(survivors)})

    def _leave(self, told: dict[str, Any] | None = None) -> None:
        """Undo what was made, tell, and go."""
        if self.loop.stopped:
            return
        self._kept.close()
        if self._doors:
            self._doors.close()
        self._belongings.remove()
        self._close_link()
        self._log.close()
        self._record.close()  # the name is free from here on, and who is told finds it so
        for visitor in tuple(self.visitors):
            if told and visitor.watches:
                visitor.send(protocol.GONE, told)
            elif told:
                visitor.fail(failure.pack(SandboxGone(told["lost"] or f"sandbox {self.name} was stopped")))
            visitor.leave()
        self.loop.stopped = True


def _stream(fd: int) -> _socket.socket:
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, fd)


def _ours(error: OSError | OpenShellError) -> OpenShellError:
    if isinstance(error, OpenShellError):
        return error
    return LaunchError(f"cannot start the sandbox: {error}", step="unknown", errno=error.errno)
