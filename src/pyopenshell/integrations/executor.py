"""``concurrent.futures`` in sandboxes: ``SandboxExecutor`` makes each call in a Python process behind a policy.

Each worker has a sandbox of its own, so that calls in different workers cannot see each other; calls of one worker
follow each other in one process, unless ``max_tasks_per_child=1`` gives each its own sandbox. Calls go in by pickle.
Results do not come out so: they are plain data (``values``), and exceptions are text (``RemoteError``).
"""

from __future__ import annotations

import concurrent.futures
import os
import pickle
import sys
import threading
import time
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError
from pyopenshell.integrations import python_path
from pyopenshell.integrations.door import DoorClosed, DoorTimeout
from pyopenshell.integrations.options import with_program
from pyopenshell.integrations.worker import RemoteError, ResultRefused, Worker
from pyopenshell.sandbox import request

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar, Unpack

    from pyopenshell.integrations.options import SandboxOptions
    from pyopenshell.policy.model import Policy

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["MAX_RESULT", "RemoteError", "ResultRefused", "SandboxExecutor", "TaskTimeout", "WorkerLost"]

MAX_RESULT = 64 << 20
"""Bytes of memory that one result may take here, roughly; 64 for each value beside the length of texts."""


class WorkerLost(OpenShellError, concurrent.futures.BrokenExecutor):
    """The worker ended during the call: it was killed, crashed or left. Other calls are not touched by that."""

    code = "task.lost"


class TaskTimeout(OpenShellError, TimeoutError):
    """The call took longer than ``task_timeout``; its worker was killed."""

    code = "task.timeout"


class SandboxExecutor(concurrent.futures.Executor):
    """An executor whose calls run in sandboxes. Use it as ``ProcessPoolExecutor``, in a ``with`` statement."""

    def __init__(
        self,
        policy: Policy | str | os.PathLike[str] | None = None,
        max_workers: int | None = None,
        *,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        max_tasks_per_child: int | None = None,
        task_timeout: float | None = None,
        max_result: int = MAX_RESULT,
        python: str | None = None,
        dumps: Callable[[object], bytes] = pickle.dumps,
        **sandbox: Unpack[SandboxOptions],
    ) -> None:
        """Start nothing yet: a worker is started when there is a call for it.

        ``policy``: without one, the working directory may be read and written, and what is on ``sys.path`` read.
        ``max_workers``: as many as processors by default. ``initializer`` is called in each new worker.
        ``max_tasks_per_child``: calls after which a worker and its sandbox are replaced. ``task_timeout``: seconds that
        a call may take, with the start of its worker. ``max_result``: see MAX_RESULT. ``python``: the interpreter,
        this one by default. ``dumps``: makes the pickle of a call; ``cloudpickle.dumps`` sends functions that cannot be
        imported, too. ``sandbox``: arguments of ``Sandbox``. Raises ValueError for numbers that make no sense, and
        PolicyError.
        """
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers must be at least 1, not {max_workers}")
        if max_tasks_per_child is not None and max_tasks_per_child < 1:
            raise ValueError(f"max_tasks_per_child must be at least 1, not {max_tasks_per_child}")
        # A policy that is not valid is told of here, not by every future.
        workdir = os.fspath(sandbox.get("workdir") or os.getcwd())
        self._policy = request.policy_of(policy) or python_path.policy(workdir=workdir)
        self._python = python or sys.executable
        self._sandbox = with_program(sandbox, self._python)
        self._tasks = max_tasks_per_child
        self._timeout = task_timeout
        self._limit = max_result
        self._dumps = dumps
        self._begin = dumps((initializer, initargs, {})) if initializer else None
        self._workers: set[Worker] = set()
        self._killed = False
        self._lock = threading.Lock()
        self._own = threading.local()
        self._threads = concurrent.futures.ThreadPoolExecutor(
            max_workers or len(os.sched_getaffinity(0)), thread_name_prefix="SandboxExecutor"
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Make the call in a sandbox and return its future.

        The future raises RemoteError, WorkerLost, TaskTimeout, ResultRefused, what ``Sandbox`` raises, and what
        pickling raises. Raises RuntimeError after ``shutdown``.
        """
        try:
            task = self._dumps((fn, args, kwargs))
        except Exception as error:  # as ProcessPoolExecutor: the future has it
            failed: concurrent.futures.Future[T] = concurrent.futures.Future()
            failed.set_exception(error)
            return failed
        return self._threads.submit(self._perform, task)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and close the sandboxes when those that were taken are done.

        ``wait``: return only then. ``cancel_futures``: those that have not begun are cancelled.
        """
        self._threads.shutdown(wait=False, cancel_futures=cancel_futures)
        if wait:
            self._close()
        else:
            threading.Thread(target=self._close, name="SandboxExecutor-close").start()

    def kill_workers(self) -> None:
        """End at once: calls that have not begun are cancelled, those that run fail with WorkerLost."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._killed = True
            workers = [*self._workers]
        for worker in workers:
            worker.interrupt()
        self._close()

    def _close(self) -> None:
        self._threads.shutdown(wait=True)
        with self._lock:
            workers = [*self._workers]
            self._workers.clear()
        for worker in workers:
            worker.close()

    def _perform(self, task: bytes) -> Any:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        is_sound = False
        try:
            worker = self._worker(deadline)
            try:
                return worker.call(task, deadline)
            finally:
                is_sound = worker.is_sound and worker.calls != self._tasks
        except DoorTimeout as error:
            raise TaskTimeout(f"the call took longer than {self._timeout} s and was killed") from error
        except DoorClosed as error:
            raise WorkerLost(f"the worker was lost: {error}") from error
        finally:
            if not is_sound:
                self._drop()

    def _worker(self, deadline: float | None) -> Worker:
        """Return this thread's worker; a new one where it has none."""
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = Worker(self._policy, self._sandbox, self._python, self._limit)
            self._own.worker = worker
            with self._lock:
                self._workers.add(worker)
                killed = self._killed
            if killed:
                worker.interrupt()
            try:
                worker.begin(self._begin, deadline)
            except RemoteError as error:
                raise WorkerLost(f"the initializer failed: {error.message}") from error
        return worker

    def _drop(self) -> None:
        worker: Worker | None = getattr(self._own, "worker", None)
        if worker is not None:
            self._own.worker = None
            with self._lock:
                self._workers.discard(worker)
            worker.close()
