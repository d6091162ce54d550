"""What type checkers infer of the public interface, pinned: ``make check`` runs mypy and pyright over this file.

``assert_type`` does nothing at run time. The tests run all the same, so that nothing is pinned that is not there.
"""

import asyncio
import concurrent.futures
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, assert_type

import pytest

from pyopenshell import (
    AsyncProcess,
    AsyncSandbox,
    AsyncStream,
    Chunk,
    CommandFailed,
    CommandTimeout,
    Effective,
    OpenShellError,
    Policy,
    PolicyError,
    Process,
    Result,
    RunRequest,
    Sandbox,
    Stream,
    plan,
)
from pyopenshell.effective.model import Finding, Grant
from pyopenshell.effective.why import Answer
from pyopenshell.errors import Problem
from pyopenshell.integrations.executor import SandboxExecutor
from pyopenshell.testing import (
    Access,
    Confined,
    Events,
    attempt,
    capture_events,
    fake_kernel,
    isolated_state,
    missing,
    open_workdir,
    run_confined,
)
from tests.confined.landlock.harness import needs_landlock

pytestmark = needs_landlock
ECHO = ["/bin/echo", "hello"]


@pytest.fixture
def box(workdir: Path) -> Iterator[Sandbox]:
    """A sandbox that is open."""
    with Sandbox(Policy.default(), gpu=0, workdir=workdir) as opened:
        assert_type(opened, Sandbox)
        yield opened


def test_a_sandbox_and_its_results(box: Sandbox) -> None:
    """Everything a caller reads of a sandbox and of a result has a definite type."""
    assert_type(box.name, str)
    assert_type(box.run_id, str)
    assert_type(box.record, str)
    assert_type(box.pid, int)
    assert_type(box.is_open, bool)
    assert_type(box.receipt, dict[str, Any])
    result = box.run(ECHO, input=b"", env={"A": "b"}, cwd=Path("/"), timeout=30, terminal=False)
    assert_type(result, Result)
    assert_type(result.command, tuple[str, ...])
    assert_type(result.exit, int)
    assert_type(result.signal, int | None)
    assert_type(result.stdout, str)
    assert_type(result.stderr_bytes, bytes)
    assert_type(result.seconds, float)
    assert_type(result.ok, bool)
    assert_type(result.check(), Result)


def test_output_and_processes(box: Sandbox) -> None:
    """Streams give chunks, and a process is one."""
    with box.stream(ECHO) as stream:
        assert_type(stream, Stream)
        for chunk in stream:
            assert_type(chunk, Chunk)
            assert_type(chunk.stream, Literal["stdout", "stderr"])
            assert_type(chunk.data, bytes)
            assert_type(chunk.text, str)
        assert_type(stream.result, Result)
    with box.popen(["/bin/cat"], stdin=-1, stdout=-1) as process:
        assert_type(process, Process)
        assert_type(process.pid, int)
        assert_type(process.master, int | None)
        assert_type(process.stdin, IO[bytes] | None)
        assert_type(process.stdout, IO[bytes] | None)
        assert_type(process.communicate("text"), tuple[bytes, bytes])
        assert_type(process.poll(), int | None)
        assert_type(process.wait(), int)
        assert_type(process.returncode, int | None)


def test_the_report(box: Sandbox) -> None:
    """The effective policy of a sandbox is an ``Effective`` that can be asked."""
    effective: Effective = box.effective
    assert_type(effective.grants, tuple[Grant, ...])
    assert_type(effective.runtime_additions, tuple[Grant, ...])
    assert_type(effective.findings, tuple[Finding, ...])
    assert_type(effective.digest, str)
    answer = box.effective.why("/etc/passwd", write=True)
    assert_type(answer, Answer)
    assert_type(answer.allowed, bool)
    assert_type(answer.advice, str | None)


def test_the_same_in_an_event_loop(workdir: Path) -> None:
    """Coroutines return what the blocking methods return; a stream is asked with ``async for``."""

    async def main() -> None:
        async with AsyncSandbox(workdir=workdir) as box:
            assert_type(box, AsyncSandbox)
            assert_type(await box.run(ECHO), Result)
            stream = box.stream(ECHO)
            assert_type(stream, AsyncStream)
            async for chunk in stream:
                assert_type(chunk, Chunk)
            process = await box.popen(ECHO)
            assert_type(process, AsyncProcess)
            async with process:
                assert_type(process.stdin, asyncio.StreamWriter | None)
                assert_type(process.stdout, asyncio.StreamReader | None)
                assert_type(await process.wait(), int)

    asyncio.run(main())


def test_errors_carry_what_they_are_about() -> None:
    """``except`` gives each error its own attributes."""
    with pytest.raises(PolicyError) as wrong:
        Policy.parse("version: 2", "policy.yaml")
    assert_type(wrong.value.problems, tuple[Problem, ...])
    assert_type(wrong.value.code, str)
    assert_type(wrong.value.hint, str | None)
    assert_type(wrong.value.line, int | None)
    assert_type(wrong.value.lines(), list[str])
    late = CommandTimeout("late", result=None)
    assert isinstance(late, TimeoutError)
    assert isinstance(late, OpenShellError)
    assert not isinstance(CommandFailed("failed", result=None), TimeoutError)


def test_policies() -> None:
    """Each way to a policy gives one."""
    assert_type(Policy.default(), Policy)
    assert_type(Policy.parse(b"version: 1"), Policy)
    assert_type(Policy.from_dict({"version": 1}), Policy)
    assert_type(Policy.from_dict({"version": 1}).filesystem.include_workdir, bool)


def test_a_plan(workdir: Path) -> None:
    """The request is a keyword call that checkers check, and its plan has an effective policy."""
    planned = plan(RunRequest(command=("/bin/true",), workdir=str(workdir)))
    planned.close()
    assert_type(planned.effective, Effective)


def test_an_executor_keeps_the_type_of_a_call() -> None:
    """``submit`` is as exact as that of ``concurrent.futures``."""

    def ask(executor: SandboxExecutor) -> None:
        assert_type(executor.submit(len, "text"), concurrent.futures.Future[int])

    assert callable(ask)


def test_helpers_of_tests(box: Sandbox) -> None:
    """Those of ``pyopenshell.testing``."""
    with isolated_state() as state:
        assert_type(state, Path)
    with capture_events() as events:
        assert_type(events, Events)
        assert_type(events.codes, tuple[str, ...])
    with open_workdir() as folder:
        assert_type(folder, Path)
    assert_type(attempt(box, "/etc/passwd"), Access)
    assert_type(run_confined("pass", box=box), Confined)
    assert_type(missing(abi=1), str | None)
    assert_type(fake_kernel(3).plan(gpu="all" if missing() else 0).landlock.abi, int)
