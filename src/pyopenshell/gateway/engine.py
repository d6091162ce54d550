"""What the gateway does with sandboxes: made, started, stopped, deleted, found again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from pyopenshell import runs
from pyopenshell.errors import NameInUse, NoSuchSandbox, OpenShellError, PolicyRefused, SandboxGone, StateError
from pyopenshell.gateway import recovery, remains, wanting
from pyopenshell.gateway.box import Box
from pyopenshell.gateway.roster import Roster
from pyopenshell.gateway.store import AsyncStore, Revision, Sandbox, Store
from pyopenshell.policy import load
from pyopenshell.runs import RunView
from pyopenshell.supervisor.client import TemplateEnded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from typing import Any, TypeVar

    from pyopenshell.gateway.wanting import NewSandbox
    from pyopenshell.policy.model import Policy
    from pyopenshell.supervisor.client import Supervisors
    from pyopenshell.supervisor.supervised import Supervised

    T = TypeVar("T")

LOG = logging.getLogger("pyopenshell.gateway")
PATIENCE = 20.0
"""Seconds that a gateway which ends gives to what it has begun."""


class Engine(Roster):
    """All sandboxes of one gateway."""

    def __init__(self, store: AsyncStore, supervisors: Supervisors) -> None:
        """Know none yet: ``recover``."""
        super().__init__()
        self.store = store
        self.supervisors = supervisors
        self.environment: Callable[[str, tuple[str, ...]], Awaitable[Mapping[str, str]]] = _no_environment
        """The variables that the providers of these names bring to a sandbox of a workspace."""
        self.on_end: list[Callable[[str], None]] = []
        """Called with a sandbox's id when its processes have ended, or it was deleted."""
        self._creating: dict[tuple[str, str], asyncio.Task[Sandbox]] = {}
        self._begun: set[asyncio.Task[Any]] = set()
        self.is_closing = False
        """Whether the gateway ends: then programs go on, whose clients are cut off."""

    async def recover(self) -> None:
        """Find the sandboxes that are stored, and what became of them. Raises StateError."""
        rows = await self.store.call(Store.sandboxes)
        for row in rows:
            self._keep(Box(self.store, row))
        views = await asyncio.to_thread(remains.newest) if rows else {}
        boxes = tuple(self._boxes.values())
        await asyncio.gather(*(recovery.recover(self, box, views.get(box.row.id)) for box in boxes))

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do something to its end, whoever waits for it. What goes wrong is its own to tell."""
        task = asyncio.get_running_loop().create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._begun.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not isinstance(error, OpenShellError):
            LOG.error("a defect of openshell's: %s: %s", type(error).__name__, error)

    # Making.

    async def create(self, new: NewSandbox) -> Sandbox:
        """Make a sandbox, and return it when it holds. Nothing is left of one that cannot be made.

        A request that is repeated (same workspace and ``request_id``) gets what the first one makes, and does not make
        it anew. Of who goes away before it is made nothing is left either, unless the request can be repeated.

        Raises what planning and launching raise, NameInUse, StateError.
        """
        key = new.workspace, new.request_id
        task = self._creating.get(key) if new.request_id else None
        if task is None:
            known = [box for box in self.boxes() if new.request_id and (box.row.workspace, box.row.request_id) == key]
            if known:
                return known[0].row
            task = self.begin(self._create(new))
            if new.request_id:
                self._creating[key] = task
                task.add_done_callback(lambda _: self._creating.pop(key, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not new.request_id and not self.is_closing:
                self.begin(self._undo(task))
            raise

    async def _undo(self, task: asyncio.Task[Sandbox]) -> None:
        """Delete a sandbox of which nobody was told."""
        row = await task
        await self._delete(self.box(row.workspace, row.name))

    async def _create(self, new: NewSandbox) -> Sandbox:
        row = wanting.row(new)
        if row.name in self._names:
            raise NameInUse(f"a sandbox named {row.name!r} exists already", hint="choose another name, or delete that")
        self._names[row.name] = row.id  # at once: two may ask for one name
        box = Box(self.store, row)
        async with box.lock:
            try:
                text = new.policy.source.text
                at = row.created
                first = Revision(row.id, 1, new.policy_hash, text, "loaded", "", at, at, dict(new.annotations))
                await self.store.call(Store.add_sandbox, row, first)
            except BaseException:
                self._names.pop(row.name, None)
                raise
            self._keep(box)
            try:
                await self._launch(box, new.policy, new.providers, held=new.held)
            except Exception as error:
                await self._give_up(box, error)
                raise
        return box.row

    async def _give_up(self, box: Box, error: Exception) -> None:
        """Forget a sandbox that cannot be made. Where even that cannot be done it stays, and says so."""
        try:
            await recovery.end(self, box)
            await self._forget(box)
        except OpenShellError as trouble:
            box.change(phase="ERROR", reason="CreateFailed", message=f"{_told(error)}; and then: {_told(trouble)}")

    async def _launch(self, box: Box, policy: Policy, providers: tuple[str, ...], *, held: bool = False) -> None:
        credentials = await self.environment(box.row.workspace, providers) if providers else {}
        folder = wanting.own_folder(box.row)
        if folder:
            await asyncio.to_thread(remains.make, folder)
        wanted = wanting.wanted(box.row, policy, credentials, held=held)
        try:
            supervised = await self.supervisors.launch(wanted)
        except TemplateEnded:
            await recovery.end(self, box)  # what was begun
            supervised = await self.supervisors.launch(wanted)
        self.follow(box, supervised)

    def follow(self, box: Box, supervised: Supervised) -> None:
        """Take a sandbox's supervisor."""

        def look() -> None:
            if supervised.gone.done():
                if supervised.gone.result() is not None:
                    self.begin(asyncio.to_thread(remains.discard, RunView(supervised.record)))
                self._ended(box)

        supervised.on_change.append(look)
        box.attach(supervised)

    def _ended(self, box: Box) -> None:
        for callback in self.on_end:
            callback(box.row.id)

    async def start(self, workspace: str, name: str) -> Sandbox:
        """Start a sandbox that was stopped, with the policy that is in force. Raises as ``create``."""
        return await asyncio.shield(self.begin(self._start(self.box(workspace, name))))

    async def _start(self, box: Box) -> Sandbox:
        async with box.lock:
            _check(box)
            if box.supervised and not box.supervised.gone.done():
                return box.row
            revision = await self.store.call(Store.revision, box.row.id, box.row.policy_version)
            box.change(phase="STARTING", reason="", message="", exit_code=None)
            try:
                spec = wanting.spec_of(box.row)
                await self._launch(box, load.parse(revision.text.encode()), tuple(spec.providers))
            except Exception as error:
                if not isinstance(error, NameInUse):  # else somebody else has the name, or it runs unseen
                    await recovery.end(self, box)
                box.change(phase="ERROR", reason="StartFailed", message=_told(error))
                raise
        return box.row

    # Ending.

    async def stop(self, workspace: str, name: str) -> Sandbox:
        """End a sandbox's processes; it stays, and can be started again. Raises NoSuchSandbox, StateError."""
        return await asyncio.shield(self.begin(self._stop(self.box(workspace, name))))

    async def _stop(self, box: Box) -> Sandbox:
        async with box.lock:
            _check(box)
            await self._end(box, "STOPPING")
            box.change(phase="STOPPED", reason="Stopped", message="it was stopped")
            await box.settled()
        if box.trouble:
            raise StateError(
                f"sandbox {box.row.name} was stopped, but that cannot be written down: {box.trouble.message}",
                hint=box.trouble.hint,
            )
        return box.row

    async def _end(self, box: Box, phase: str) -> None:
        """End a sandbox's processes. Raises OpenShellError where there are some that do not end."""
        box.change(phase=phase, reason="", message="")
        supervised, box.supervised = box.supervised, None
        try:
            if supervised is None:
                await recovery.end(self, box)
            elif await supervised.stop() is not None:
                await asyncio.to_thread(remains.discard, RunView(supervised.record))
            if supervised and supervised.survivors:
                left = ", ".join(map(str, supervised.survivors))
                raise OpenShellError(f"processes of sandbox {box.row.name} cannot be killed: {left}", code="survivors")
        except OpenShellError as error:
            box.change(phase="ERROR", reason="StopFailed", message=error.message)
            raise

    async def delete(self, workspace: str, name: str) -> Sandbox:
        """End a sandbox and remove all that is left of it. Raises NoSuchSandbox, StateError."""
        try:
            box = self.box(workspace, name)
        except NoSuchSandbox:
            return await self._delete_run(await self.get(workspace, name))
        return await asyncio.shield(self.begin(self._delete(box)))

    async def _delete(self, box: Box) -> Sandbox:
        async with box.lock:
            _check(box)
            await self._end(box, "DELETING")
            try:
                await self._forget(box)
            except OpenShellError as error:
                box.change(phase="ERROR", reason="DeleteFailed", message=error.message)
                raise
        self._ended(box)
        return box.row

    async def _delete_run(self, row: Sandbox) -> Sandbox:
        """Delete a sandbox that no store knows of: one that is over, or has a supervisor of its own."""
        view = await asyncio.to_thread(runs.find, row.id)
        if await asyncio.to_thread(remains.is_alive, view):
            try:
                found = await self.supervisors.find(view.path)
            except SandboxGone:
                raise PolicyRefused(
                    f"sandbox {row.name} belongs to openshell run, and ends with that",
                    hint="end the command that runs in it",
                    code="sandbox.of-run",
                ) from None
            await found.stop()
        await asyncio.to_thread(runs.delete, row.id)
        return row

    async def _forget(self, box: Box) -> None:
        """Remove what is left of a sandbox that does not run: the row at last, so that a crash loses nothing of it."""
        await asyncio.to_thread(remains.remove, box.row.name, box.row.id, wanting.own_folder(box.row))
        await box.settled()
        await self.store.call(Store.remove_sandbox, box.row.id)
        box.is_deleted = True
        self._boxes.pop(box.row.id, None)
        if self._names.get(box.row.name) == box.row.id:
            del self._names[box.row.name]
        box.wake()

    async def revised(self, box: Box, row: Sandbox) -> None:
        """Take over a row that a new revision has changed, in the store already."""
        box.put(row)

    async def close(self) -> None:
        """Let go of all sandboxes; they stay. What was begun is given the time to end."""
        self.is_closing = True
        if self._begun:
            await asyncio.wait(self._begun, timeout=PATIENCE)
        for box in self._boxes.values():
            if box.supervised:
                box.supervised.leave()
            await box.settled()
        await asyncio.to_thread(self.supervisors.close)


async def _no_environment(_workspace: str, _providers: tuple[str, ...]) -> Mapping[str, str]:
    return {}


def _check(box: Box) -> None:
    """Raise NoSuchSandbox for a sandbox that was deleted while its turn was waited for."""
    if box.is_deleted:
        raise NoSuchSandbox(f"there is no sandbox {box.row.name!r}")


def _told(error: Exception) -> str:
    return error.message if isinstance(error, OpenShellError) else type(error).__name__
