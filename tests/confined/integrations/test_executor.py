"""Calls in sandboxes: what comes back, what cannot, what a worker's end does to others, and what is left."""

import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import BrokenExecutor, CancelledError, wait

import pytest

from pyopenshell import PolicyError
from pyopenshell.integrations.executor import (
    RemoteError,
    ResultRefused,
    SandboxExecutor,
    TaskTimeout,
    WorkerLost,
)
from tests.confined.integrations import tasks


@pytest.fixture
def executor(workdir):
    """One worker, whose sandbox works in a folder of its own."""
    with SandboxExecutor(max_workers=1, workdir=workdir) as found:
        yield found


def test_calls_are_made_and_come_back_in_order(workdir):
    """``map`` over two workers gives every result, in order."""
    with SandboxExecutor(max_workers=2, workdir=workdir) as executor:
        assert [number * number for number in range(20)] == [*executor.map(tasks.square, range(20))]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(1 << 80),
        1.5,
        2j,
        "é\ud800\n",
        b"\0",
        bytearray(b"x"),
        [1, [2]],
        (1,),
        {"a": {1, 2}},
        frozenset("a"),
    ],
)
def test_plain_data_goes_in_and_out(executor, value):
    """What goes in as an argument comes out the same."""
    result = executor.submit(tasks.passing, value).result()
    assert (type(value), value) == (type(result), result)


def test_the_policy_is_in_force(executor, workdir):
    """A call may write its working directory, and neither read, write nor reach anything else."""
    assert 4 == executor.submit(tasks.write, f"{workdir}/file", "text").result()
    assert "text" == (workdir / "file").read_text()
    for call, type_ in (
        ((tasks.read, "/etc/shadow"), "PermissionError"),
        ((tasks.write, f"{os.path.dirname(tasks.__file__)}/file", "x"), "OSError|PermissionError"),
        ((tasks.connect, "192.0.2.1", 80), "OSError"),
    ):
        with pytest.raises(RemoteError) as caught:
            executor.submit(*call).result()
        assert caught.value.type in type_


def test_a_policy_of_ones_own(workdir, tmp_path):
    """A policy that does not grant the folder of the function's module has the call fail, not the import here."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\n")
    with SandboxExecutor(policy, max_workers=1, workdir=workdir) as executor:
        assert 9 == executor.submit(pow, 3, 2).result()
        with pytest.raises(RemoteError, match="ModuleNotFoundError"):
            executor.submit(tasks.square, 3).result()
    policy.write_text("version: 7\n")
    with pytest.raises(PolicyError):
        SandboxExecutor(policy)


def test_an_exception_comes_back_as_text(executor):
    """Type, message and traceback are texts of one error of ours, with control characters written out."""
    with pytest.raises(RemoteError) as caught:
        executor.submit(tasks.fail, "no \x1b[2J such").result()
    assert ("LookupError", "no \\x1b[2J such") == (caught.value.type, caught.value.text)
    assert "in fail\n    raise LookupError(text)" in caught.value.traceback
    assert "openshell worker" not in caught.value.traceback
    assert "\x1b" not in "".join(caught.value.__notes__)
    with pytest.raises(RemoteError, match="Odd"):
        executor.submit(tasks.fail_oddly).result()
    with pytest.raises(RemoteError, match="SystemExit"):
        executor.submit(tasks.leave_politely).result()
    assert 1 == executor.submit(tasks.count).result()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ((tasks.an_object,), "_thread.lock is no plain data"),
        ((tasks.endless,), "contains itself"),
        ((tasks.text, 200_000), "200,0.. bytes, and 100,000 are allowed"),
    ],
)
def test_what_cannot_come_out_is_said(workdir, call, says):
    """An object, a value that contains itself, and one that is too large fail their own future; the worker goes on."""
    with SandboxExecutor(max_workers=1, workdir=workdir, max_result=100_000) as executor:
        assert 1 == executor.submit(tasks.count).result()
        with pytest.raises(ResultRefused, match=says):
            executor.submit(*call).result()
        assert 2 == executor.submit(tasks.count).result()


def test_small_values_are_counted_as_what_they_take(workdir):
    """A hundred thousand values of one byte each would take six million bytes here: refused."""
    with (
        SandboxExecutor(max_workers=1, workdir=workdir, max_result=100_000) as executor,
        pytest.raises(ResultRefused, match="more memory than is allowed"),
    ):
        executor.submit(tasks.numbers, 90_000).result()


@pytest.mark.parametrize(
    ("call", "how"),
    [
        (tasks.leave, "exit status 7"),
        (tasks.crash, "SIGSEGV"),
        (tasks.leave_a_child, "exit status 8"),
    ],
)
def test_a_lost_worker_is_replaced(executor, call, how):
    """Only the call that ended its worker fails, as a broken executor; the next one has a new worker."""
    assert 1 == executor.submit(tasks.count).result()
    lost = executor.submit(call)
    after = executor.submit(tasks.count)
    with pytest.raises(WorkerLost, match=how) as caught:
        lost.result()
    assert isinstance(caught.value, BrokenExecutor)
    assert 1 == after.result()


@pytest.mark.parametrize(
    "data",
    [
        (1 << 62).to_bytes(8, "little"),
        (8).to_bytes(8, "little") + b"\x80\x04K\x01.xxx",
        (1).to_bytes(8, "little") + b"N",
        bytes(8),
        (9).to_bytes(8, "little") + b"t" + bytes(8),
        len(pickle.dumps(0)).to_bytes(8, "little") + pickle.dumps(0),
    ],
)
def test_a_forged_answer_is_refused(executor, data):
    """What a hijacked worker writes to the pipe is an error of its own call, and ends it."""
    with pytest.raises(ResultRefused, match=r"bytes at once|is not taken|not what a worker sends"):
        executor.submit(tasks.forge, data).result(timeout=20)
    assert 1 == executor.submit(tasks.count).result()


def test_a_call_cannot_pass_descriptors_to_the_owner(executor):
    """A socket whose close takes as long as the call chose would hold up whoever receives it: none can be sent."""
    began = time.monotonic()
    assert {"BrokenPipeError"} == {*executor.submit(tasks.linger, 0).result()}
    assert time.monotonic() - began < 20


def test_a_task_that_takes_too_long_is_killed(workdir):
    """Its future says so, as a TimeoutError; the worker after it is a new one."""
    with SandboxExecutor(max_workers=1, workdir=workdir, task_timeout=2) as executor:
        with pytest.raises(TaskTimeout) as caught:
            executor.submit(tasks.sleep, 60).result()
        assert isinstance(caught.value, TimeoutError)
        assert 1 == executor.submit(tasks.count).result()


def test_each_task_may_have_a_sandbox_of_its_own(workdir):
    """With one task per worker nothing of one is there for the next: no state, and no temporary file."""
    with SandboxExecutor(max_workers=1, max_tasks_per_child=1, workdir=workdir) as executor:
        assert 1 == executor.submit(tasks.write_temporary).result()
        assert [1, 1] == [executor.submit(tasks.count).result() for _ in range(2)]
        with pytest.raises(RemoteError, match="FileNotFound"):
            executor.submit(tasks.read_temporary).result()


def test_an_initializer_is_called_in_each_worker(workdir):
    """It runs before the first call; where it fails, the call says that its worker was lost."""
    with SandboxExecutor(max_workers=1, workdir=workdir, initializer=tasks.begin, initargs=(5,)) as executor:
        assert [6, 7] == [executor.submit(tasks.count).result() for _ in range(2)]
    with (
        SandboxExecutor(max_workers=1, workdir=workdir, initializer=tasks.fail, initargs=("no",)) as executor,
        pytest.raises(WorkerLost, match="initializer failed: LookupError: no"),
    ):
        executor.submit(tasks.count).result()


def test_output_is_the_owners_and_no_result(workdir):
    """What a call prints arrives where the owner's output goes, and does not disturb its result."""
    code = (
        "from pyopenshell.integrations.executor import SandboxExecutor\n"
        "from tests.confined.integrations import tasks\n"
        "with SandboxExecutor(max_workers=1) as executor:\n"
        "    print(executor.submit(tasks.say, 'hello ').result())\n"
    )
    done = run(["-c", code], workdir)
    assert ("hello \nhello said\n", "") == (done.stdout, done.stderr)


def test_the_input_of_calls_is_empty(executor):
    """What a call reads from its standard input is neither the owner's nor another call."""
    assert "" == executor.submit(tasks.read_stdin).result()


def test_what_was_not_pickled_fails_its_future(executor):
    """A lambda cannot be named; the future says so, as that of a process pool does."""
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        executor.submit(lambda: 1).result()


def test_another_pickler_may_be_used(workdir):
    """A function that makes the pickle of a call is used for every one."""
    made = []

    def dumps(call):
        made.append(call)
        return pickle.dumps(call)

    with SandboxExecutor(max_workers=1, workdir=workdir, dumps=dumps) as executor:
        assert 4 == executor.submit(tasks.square, 2).result()
    assert [(tasks.square, (2,), {})] == made


def test_futures_are_cancelled_before_they_begin(workdir):
    """``cancel`` and ``cancel_futures`` take what waits; what runs goes on to its end."""
    executor = SandboxExecutor(max_workers=1, workdir=workdir)
    running = executor.submit(tasks.sleep, 0.5)
    waiting = [executor.submit(tasks.count) for _ in range(3)]
    assert waiting[0].cancel()
    executor.shutdown(cancel_futures=True)
    assert [None, True, True, True] == [running.result(), *(future.cancelled() for future in waiting)]
    with pytest.raises(RuntimeError):
        executor.submit(tasks.count)


def test_shutdown_need_not_wait(workdir):
    """With ``wait=False`` it returns at once, calls are made to their end, and their sandboxes closed then."""
    executor = SandboxExecutor(max_workers=1, workdir=workdir)
    future = executor.submit(tasks.square, 3)
    executor.shutdown(wait=False)
    assert 9 == future.result(timeout=30)
    closing = next(thread for thread in threading.enumerate() if thread.name == "SandboxExecutor-close")
    closing.join(30)
    assert not closing.is_alive()


def test_workers_can_be_killed(workdir):
    """``kill_workers`` ends at once: a call that runs is lost, one that waits is cancelled."""
    executor = SandboxExecutor(max_workers=1, workdir=workdir)
    assert 1 == executor.submit(tasks.count).result()
    running, waiting = executor.submit(tasks.sleep, 60), executor.submit(tasks.count)
    began = time.monotonic()
    while not running.running() and time.monotonic() - began < 20:
        time.sleep(0.01)
    executor.kill_workers()
    wait([running, waiting], timeout=1)
    assert time.monotonic() - began < 20
    with pytest.raises(WorkerLost):
        running.result(timeout=0)
    with pytest.raises(CancelledError):
        waiting.result(timeout=0)


def test_killed_workers_end_whatever_the_owners_threads_do(workdir):
    """``kill_workers`` ends the sandboxes first, and only then waits for the threads that run the owner's callbacks."""
    executor = SandboxExecutor(max_workers=1, workdir=workdir)
    reached, release = threading.Event(), threading.Event()

    def callback(_):
        reached.set()
        release.wait(60)

    executor.submit(tasks.sleep, 0.5).add_done_callback(callback)
    reached.wait(60)
    (worker,) = executor._workers
    killing = threading.Thread(target=executor.kill_workers)
    killing.start()
    try:
        began = time.monotonic()
        while worker._sandbox.is_open and time.monotonic() - began < 20:
            time.sleep(0.01)
        assert not worker._sandbox.is_open
        assert killing.is_alive()
    finally:
        release.set()
        killing.join()


def test_workers_do_not_see_each_other(workdir):
    """The processes of a worker are its own: each sees only the few of its sandbox."""
    with SandboxExecutor(max_workers=2, workdir=workdir) as executor:
        found = [*executor.map(pids_of_another, range(2))]
    assert all(len(pids) <= 3 for pids in found)


def pids_of_another(_):
    return tasks.pids()


def test_functions_of_a_script(workdir):
    """A script's own functions can be called, as with multiprocessing; its guarded part is not run again."""
    script = workdir / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from pyopenshell.integrations.executor import SandboxExecutor
            print("imported as", __name__)
            def double(number):
                return 2 * number
            if __name__ == "__main__":
                with SandboxExecutor(max_workers=1) as executor:
                    print([*executor.map(double, range(3))])
            """
        )
    )
    done = run([script], workdir)
    assert "" == done.stderr
    assert {"imported as __main__", "imported as __mp_main__", "[0, 2, 4]"} == {*done.stdout.splitlines()}


def test_functions_of_no_script_are_refused_clearly(workdir):
    """Functions of an interactive session have no file that could be imported; the error says what to do."""
    code = (
        "from pyopenshell.integrations.executor import SandboxExecutor\n"
        "def double(number): return 2 * number\n"
        "with SandboxExecutor(max_workers=1) as executor:\n"
        "    print(executor.submit(double, 2).exception())\n"
    )
    done = run(["-c", code], workdir)
    assert "put it into a module" in done.stdout


@pytest.mark.parametrize("number", [{"max_workers": 0}, {"max_tasks_per_child": 0}])
def test_numbers_that_make_no_sense(number):
    """As the standard library's executors, it takes one at least."""
    with pytest.raises(ValueError, match="at least 1, not 0"):
        SandboxExecutor(**number)


def run(arguments, folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_nothing_is_left(workdir):
    """After many workers, lost ones and killed ones too, there are no more descriptors or threads than before."""
    with SandboxExecutor(max_workers=1, workdir=workdir) as executor:
        executor.submit(tasks.count).result()  # the zygote stays
    before = counted()
    with SandboxExecutor(max_workers=3, max_tasks_per_child=2, workdir=workdir) as executor:
        futures = [executor.submit(tasks.leave if number % 5 == 0 else tasks.count) for number in range(20)]
        assert 4 == sum(isinstance(future.exception(), WorkerLost) for future in futures)
    assert before == counted()


def counted():
    return sorted(os.listdir("/proc/self/fd")), sorted(thread.name for thread in threading.enumerate())


def test_many_threads_submit(workdir):
    """Threads of the owner share an executor; each gets its own results."""
    found: dict[int, list[int]] = {}

    def use(number):
        found[number] = [*shared.map(tasks.square, range(number, number + 5))]

    with SandboxExecutor(max_workers=2, workdir=workdir) as shared:
        threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {number: [one * one for one in range(number, number + 5)] for number in range(8)} == found


def test_a_sandbox_that_is_ended_from_outside(workdir):
    """Whoever kills a worker's sandbox has its call fail as a lost worker; the next call has another sandbox."""
    with SandboxExecutor(max_workers=1, workdir=workdir) as executor:
        assert 1 == executor.submit(tasks.count).result()
        running = executor.submit(tasks.sleep, 60)
        (worker,) = executor._workers
        os.kill(worker._sandbox.pid, 9)
        with pytest.raises(WorkerLost):
            running.result(timeout=30)
        assert 1 == executor.submit(tasks.count).result()
