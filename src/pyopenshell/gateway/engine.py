"""What the gateway does with sandboxes: made, started, stopped, deleted, found again."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from pyopenshell import runs
from pyopenshell.errors import NameInUse, NoSuchSandbox, OpenShellError, PolicyRefused, SandboxGone, StateError
from pyopenshell.gateway import adopted, recovery, wanting
from pyopenshell.gateway.box import Box, NotRunning
from pyopenshell.gateway.store import AsyncStore, Revision, Sandbox, Store
from pyopenshell.launch import dynamic_id
from pyopenshell.launch.private import remove_folder
from pyopenshell.policy import load
from pyopenshell.record import Record
from pyopenshell.state import open_folder, state_root

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from pyopenshell.policy.model import Policy
    from pyopenshell.supervisor.client import Supervisors
    from pyopenshell.supervisor.supervised import Supervised


class NewSandbox(Record):
    """What a client asks for. ``spec`` is a serialized ``openshell.v1.SandboxSpec`` without its policy."""

    workspace: str
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]
    spec: bytes
    providers: tuple[str, ...]
    policy: Policy
    policy_hash: str
    workdir: str | None = None
    request_id: str = ""
    held: bool = False


class Engine:
    """All sandboxes of one gateway."""

    def __init__(self, store: AsyncStore, supervisors: Supervisors) -> None:
        """Know none yet: ``recover``."""
        self.store = store
        self.supervisors = supervisors
        self.environment: Callable[[str, tuple[str, ...]], Awaitable[Mapping[str, str]]] = _no_environment
        """The variables that the providers of these names bring to a sandbox of a workspace."""
        self.on_end: list[Callable[[str], None]] = []
        """Called with a sandbox's id when its processes have ended, or it was deleted."""
        self._boxes: dict[str, Box] = {}
        self._names: dict[str, str] = {}
        self.is_closing = False
        """Whether the gateway ends: then programs go on, whose clients are cut off."""

    async def recover(self) -> None:
        """Find the sandboxes that are stored, and what became of them. Raises StateError."""
        rows = await self.store.call(Store.sandboxes)
        for row in rows:
            self._keep(Box(self.store, row))
        await asyncio.gather(*(recovery.recover(self, box) for box in tuple(self._boxes.values())))

    def _keep(self, box: Box) -> None:
        self._boxes[box.row.id] = box
        self._names[box.row.name] = box.row.id

    # Finding.

    def box(self, workspace: str, name: str) -> Box:
        """Return a sandbox of the store. Raises NoSuchSandbox."""
        box = self._boxes.get(self._names.get(name, ""))
        if box is None or box.row.workspace != workspace or box.is_deleted:
            raise NoSuchSandbox(f"there is no sandbox {name!r}", hint="openshell sandbox list shows those there are")
        return box

    def boxes(self) -> list[Box]:
        """Return all sandboxes of the store, the oldest first."""
        return [box for box in self._boxes.values() if not box.is_deleted]

    async def get(self, workspace: str, name: str) -> Sandbox:
        """Return a sandbox, also one of ``openshell run``. Raises NoSuchSandbox."""
        try:
            return self.box(workspace, name).row
        except NoSuchSandbox:
            found = await asyncio.to_thread(adopted.find, name, self._own_runs()) if _is_default(workspace) else None
            if found is None:
                raise
            return found

    async def list(self, workspace: str | None) -> list[Sandbox]:
        """Return the sandboxes of a workspace, or of all (None), the oldest first; with those of ``openshell run``."""
        rows = [box.row for box in self.boxes() if workspace in (None, box.row.workspace)]
        if workspace is None or _is_default(workspace):
            rows += await asyncio.to_thread(adopted.live, self._own_runs())
        return sorted(rows, key=lambda row: row.id)

    def _own_runs(self) -> frozenset[str]:
        return frozenset(box.row.run_id for box in self._boxes.values() if box.row.run_id)

    def watch(self, id: str) -> AsyncIterator[Sandbox]:  # noqa: A002
        """Yield a sandbox as it is and as it becomes. Raises NoSuchSandbox."""
        if id not in self._boxes:
            raise NoSuchSandbox(f"no sandbox has the id {id}")
        return self._boxes[id].watch()

    async def supervised(self, workspace: str, name: str) -> Supervised:
        """Return the supervisor of a sandbox. Raises NoSuchSandbox, NotRunning."""
        try:
            return self.box(workspace, name).alive()
        except NoSuchSandbox:
            row = await self.get(workspace, name)
            raise NotRunning(
                f"sandbox {row.name} was started by openshell run: nothing else can be started in it",
                hint="openshell sandbox create makes sandboxes that serve exec, connect and SSH",
                code="sandbox.of-run",
            ) from None

    # Making.

    async def create(self, new: NewSandbox) -> Sandbox:
        """Make a sandbox, and return it when it holds. Nothing is left of one that cannot be made.

        Raises what planning and launching raise, NameInUse, StateError.
        """
        row = self._row(new)
        if new.request_id:
            known = [box for box in self.boxes() if box.row.request_id == new.request_id]
            if known and known[0].row.workspace == new.workspace:
                return known[0].row
        if row.name in self._names:
            raise NameInUse(f"a sandbox named {row.name!r} exists already", hint="choose another name, or delete that")
        self._names[row.name] = row.id  # at once: two may ask for one name
        box = Box(self.store, row)
        async with box.lock:
            try:
                text = new.policy.source.text
                at = row.created
                first = Revision(row.id, 1, new.policy_hash, text, "loaded", "", at, at, dict(new.annotations))
                stored = await self.store.call(Store.add_sandbox, row, first)
                box.row = stored.replace(policy_version=1) if stored.id == row.id else stored
            except BaseException:
                self._names.pop(row.name, None)
                raise
            self._keep(box)
            try:
                await self._launch(box, new.policy, new.providers, held=new.held)
            except BaseException:
                await asyncio.shield(self._forget(box))
                raise
        return box.row

    def _row(self, new: NewSandbox) -> Sandbox:
        id_ = runs.new_id()
        return Sandbox(
            id=id_,
            workspace=new.workspace,
            name=new.name or runs.generated_name(id_),
            labels=new.labels,
            annotations=new.annotations,
            spec=new.spec,
            phase="PROVISIONING",
            reason="",
            message="",
            run_id=None,
            exit_code=None,
            workdir=new.workdir,
            policy_version=1,
            restarts=0,
            resource_version=1,
            created=time.time_ns() // 1_000_000,
            main_started=None,
            request_id=new.request_id,
        )

    async def _launch(self, box: Box, policy: Policy, providers: tuple[str, ...], *, held: bool = False) -> None:
        credentials = await self.environment(box.row.workspace, providers) if providers else {}
        folder = wanting.own_folder(box.row)
        if folder:
            await asyncio.to_thread(_make, folder)
        supervised = await self.supervisors.launch(wanting.wanted(box.row, policy, credentials, held=held))
        supervised.on_change.append(lambda: self._ended(box) if supervised.gone.done() else None)
        box.attach(supervised)

    def _ended(self, box: Box) -> None:
        for callback in self.on_end:
            callback(box.row.id)

    async def start(self, workspace: str, name: str) -> Sandbox:
        """Start a sandbox that was stopped, with the policy that is in force. Raises as ``create``."""
        box = self.box(workspace, name)
        async with box.lock:
            if box.is_deleted:
                raise NoSuchSandbox(f"there is no sandbox {name!r}")
            if box.supervised and not box.supervised.gone.done():
                return box.row
            revision = await self.store.call(Store.revision, box.row.id, box.row.policy_version)
            box.change(phase="STARTING", reason="", message="", exit_code=None)
            try:
                spec = wanting.spec_of(box.row)
                await self._launch(box, load.parse(revision.text.encode()), tuple(spec.providers))
            except BaseException as error:
                why = error.message if isinstance(error, OpenShellError) else f"{type(error).__name__}"
                box.change(phase="ERROR", reason="StartFailed", message=why)
                raise
        return box.row

    # Ending.

    async def stop(self, workspace: str, name: str) -> Sandbox:
        """End a sandbox's processes; it stays, and can be started again. Raises NoSuchSandbox."""
        box = self.box(workspace, name)
        async with box.lock:
            await self._stop(box)
            if not box.is_deleted:
                box.change(phase="STOPPED", reason="Stopped", message="it was stopped")
        return box.row

    async def _stop(self, box: Box, phase: str = "STOPPING") -> None:
        box.change(phase=phase, reason="", message="")
        supervised = box.supervised
        if supervised:
            await supervised.stop()
            box.supervised = None
            if supervised.survivors:
                left = ", ".join(map(str, supervised.survivors))
                raise OpenShellError(f"processes of sandbox {box.row.name} cannot be killed: {left}", code="survivors")

    async def delete(self, workspace: str, name: str) -> Sandbox:
        """End a sandbox and remove all that is left of it. Raises NoSuchSandbox, StateError."""
        try:
            box = self.box(workspace, name)
        except NoSuchSandbox:
            row = await self.get(workspace, name)
            return await self._delete_run(row)
        async with box.lock:
            if box.is_deleted:
                raise NoSuchSandbox(f"there is no sandbox {name!r}")
            await self._stop(box, "DELETING")
            await self._forget(box)
        self._ended(box)
        return box.row

    async def _delete_run(self, row: Sandbox) -> Sandbox:
        """Delete a sandbox that no store knows of, where it has a supervisor of its own."""
        try:
            found = await self.supervisors.find(runs.find(row.name).path)
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
        await asyncio.to_thread(_remove, box.row.name, box.row.id, wanting.own_folder(box.row))
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
        """Let go of all sandboxes; they stay."""
        self.is_closing = True
        for box in self._boxes.values():
            if box.supervised:
                box.supervised.leave()
            await box.settled()
        await asyncio.to_thread(self.supervisors.close)


async def _no_environment(_workspace: str, _providers: tuple[str, ...]) -> Mapping[str, str]:
    return {}


def _is_default(workspace: str) -> bool:
    return workspace == "default"


def _make(folder: str) -> None:
    """Make a sandbox's own folder, for us alone until its supervisor gives it to the identity. Raises StateError."""
    parent = os.path.dirname(folder)
    root = os.path.dirname(parent)
    os.close(open_folder(root))
    # Who works in a folder in there must be able to pass through; what it is called nobody can list.
    for path in (root, parent):
        if path == parent:
            os.makedirs(path, 0o711, exist_ok=True)
        os.chmod(path, 0o711)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass


def _remove(name: str, id_: str, folder: str | None) -> None:
    """Remove a sandbox's records and its own folder. Raises StateError."""
    for view in runs.list_runs():
        try:
            meta = view.meta()
        except StateError:
            continue
        if meta.get("sandbox_id") == id_ and meta["name"] == name:
            runs.delete(view.id)
    dynamic_id.forget(name, f"{state_root()}/ids")
    if folder:
        remove_folder(folder)
