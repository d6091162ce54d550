"""Our own service beside OpenShell's: what a sandbox may do, what became of it, and its programs' streams."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from pyopenshell.effective.canonical import canonical_bytes
from pyopenshell.errors import StateError, UsageError
from pyopenshell.gateway import revisions, validate
from pyopenshell.gateway.calls import LOG
from pyopenshell.gateway.proto import inspection_pb2
from pyopenshell.gateway.record import NoRecord, record_of
from pyopenshell.gateway.store import DEFAULT_WORKSPACE
from pyopenshell.runs import told
from pyopenshell.supervisor.session import Ended, Output
from pyopenshell.verify import perform
from pyopenshell.verify.note import note

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from typing import Any

    from pyopenshell.gateway.engine import Engine
    from pyopenshell.gateway.store import Sandbox
    from pyopenshell.runs import RunView
    from pyopenshell.supervisor.session import Session

SIGNALS = 64
"""The highest number of a signal (signal(7))."""


class InspectionService:
    """Reports on sandboxes, and the streams of their programs."""

    def __init__(self, engine: Engine) -> None:
        """Serve an engine's sandboxes."""
        self._engine = engine

    async def _row(self, request: Any) -> Sandbox:
        return await self._engine.get(_workspace(request), request.sandbox)

    async def _view(self, request: Any) -> RunView:
        return record_of(await self._row(request))

    async def GetEffectivePolicy(  # noqa: N802
        self, request: inspection_pb2.GetEffectivePolicyRequest, _context: object
    ) -> inspection_pb2.GetEffectivePolicyResponse:
        """Return a revision as declared; of the one in force, also everything that it means."""
        row = await self._row(request)
        revision = await revisions.find(self._engine.store, row, request.revision)
        effective = None
        if revision.version == row.policy_version:
            with suppress(NoRecord):
                effective = await asyncio.to_thread(told.effective, record_of(row))
        return inspection_pb2.GetEffectivePolicyResponse(
            declared_yaml=revision.text,
            effective_json=_json(effective),
            revision=revision.version,
            active_revision=row.policy_version,
            policy_hash=revision.hash,
        )

    async def GetReceipt(  # noqa: N802
        self, request: inspection_pb2.GetReceiptRequest, _context: object
    ) -> inspection_pb2.GetReceiptResponse:
        """Return what the kernel accepted."""
        view = await self._view(request)
        return inspection_pb2.GetReceiptResponse(receipt_json=_json(await asyncio.to_thread(view.receipt)))

    async def GetInspection(  # noqa: N802
        self, request: inspection_pb2.GetInspectionRequest, _context: object
    ) -> inspection_pb2.GetInspectionResponse:
        """Return all that is known of a sandbox's newest run."""
        view = await self._view(request)
        return inspection_pb2.GetInspectionResponse(
            inspection_json=_json(await asyncio.to_thread(told.inspection, view))
        )

    async def GetFindings(  # noqa: N802
        self, request: inspection_pb2.GetFindingsRequest, _context: object
    ) -> inspection_pb2.GetFindingsResponse:
        """Return what an operator should know."""
        effective = await asyncio.to_thread((await self._view(request)).effective)
        findings = effective["findings"] if effective else []
        return inspection_pb2.GetFindingsResponse(
            findings=[
                inspection_pb2.Finding(**{key: value for key, value in one.items() if value is not None})
                for one in findings
            ]
        )

    async def Verify(  # noqa: N802
        self, request: inspection_pb2.VerifyRequest, _context: object
    ) -> inspection_pb2.VerifyResponse:
        """Try inside a sandbox what its report says. The verdict is an event of its run, too."""
        verification = await asyncio.to_thread(_verified, await self._view(request))
        return inspection_pb2.VerifyResponse(verification_json=_json(verification))

    async def ListSessions(  # noqa: N802
        self, request: inspection_pb2.ListSessionsRequest, _context: object
    ) -> inspection_pb2.ListSessionsResponse:
        """Return the programs of a sandbox."""
        supervised = await self._engine.supervised(_workspace(request), request.sandbox)
        return inspection_pb2.ListSessionsResponse(
            sessions=[
                inspection_pb2.Session(
                    number=one.number,
                    argv=one.argv,
                    pid=one.pid,
                    running=one.state != "ended",
                    exit_code=one.code or 0,
                    signal=one.signal or 0,
                    timed_out=one.timed_out,
                    attached=one.attached,
                    started_ms=one.started,
                    terminal=one.terminal,
                )
                for one in await supervised.sessions()
            ]
        )

    async def AttachSession(  # noqa: N802
        self, requests: AsyncIterator[inspection_pb2.AttachInput], _context: object
    ) -> AsyncGenerator[inspection_pb2.AttachOutput, None]:
        """Pass on the streams of a program that runs already. It goes on when the client goes."""
        first = await anext(aiter(requests), None)
        if first is None or first.WhichOneof("payload") != "start":
            raise UsageError("the first message must be `start`", code="attach.start")
        start = first.start
        _check_size(start.rows, start.cols)
        supervised = await self._engine.supervised(_workspace(start), start.sandbox)
        session = await supervised.attach(start.session, replay=start.replay)
        feeding = asyncio.create_task(_feed(session, requests))
        try:
            if session.terminal and start.rows and start.cols:
                await session.resize(start.rows, start.cols)
            yield inspection_pb2.AttachOutput(
                attached=inspection_pb2.Attached(
                    session=session.number, pid=session.pid, terminal=session.terminal, argv=session.argv
                )
            )
            async for output in _until(session, feeding):
                yield output
        finally:
            feeding.cancel()
            session.detach()


async def _until(session: Session, feeding: asyncio.Task[bool]) -> AsyncGenerator[inspection_pb2.AttachOutput, None]:
    """Yield what a program writes, until it has ended, or the client has detached (what ``feeding`` returns)."""
    answers = aiter(session)
    while True:
        coming = asyncio.ensure_future(_next(answers))
        waited: set[asyncio.Future[Any]] = {coming, feeding}
        try:
            while not coming.done():
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if feeding.done() and feeding in waited:
                    if feeding.result():
                        return
                    waited = {coming}
        finally:
            coming.cancel()
        answer = coming.result()
        if answer is None:
            return
        if isinstance(answer, Output):
            if answer.stream == 1:
                yield inspection_pb2.AttachOutput(stdout=answer.data)
            else:
                yield inspection_pb2.AttachOutput(stderr=answer.data)
        elif isinstance(answer, Ended):
            ended = inspection_pb2.Ended(exit_code=answer.code, signal=answer.signal or 0, timed_out=answer.timed_out)
            yield inspection_pb2.AttachOutput(ended=ended)
        else:
            yield inspection_pb2.AttachOutput(skipped=answer.count)


async def _next(answers: AsyncIterator[Any]) -> Any:
    return await anext(answers, None)


async def _feed(session: Session, requests: AsyncIterator[inspection_pb2.AttachInput]) -> bool:
    """Pass on what the client sends. Return whether it detaches; sending no more is not that. Raises UsageError."""
    async for request in requests:
        kind = request.WhichOneof("payload")
        if kind == "stdin":
            await session.write(request.stdin)
        elif kind == "eof":
            await session.eof()
        elif kind == "resize":
            _check_size(request.resize.rows, request.resize.cols)
            if request.resize.rows and request.resize.cols:
                await session.resize(request.resize.rows, request.resize.cols)
        elif kind == "signal":
            if not 0 < request.signal <= SIGNALS:
                raise UsageError(
                    f"{request.signal} is no signal", hint=f"signals are 1 to {SIGNALS}", code="signal.unknown"
                )
            await session.signal(request.signal)
        elif kind == "detach":
            return True
        elif kind == "start":
            raise UsageError("`start` comes once, at the beginning", code="attach.start")
    return False


def _check_size(rows: int, columns: int) -> None:
    validate.terminal(rows, columns)


def _workspace(request: Any) -> str:
    return request.workspace or DEFAULT_WORKSPACE


def _json(value: dict[str, Any] | None) -> str:
    """Return a report as JSON, or nothing where there is none."""
    return canonical_bytes(value).decode() if value is not None else ""


def _verified(view: RunView) -> dict[str, Any]:
    verification = perform.live(view)
    try:
        note(view, verification)
    except StateError as problem:  # a full disk: what was found counts all the same
        LOG.warning("the verification of %s is not in its log: %s", view.name, problem.message)
    return verification.as_dict()
