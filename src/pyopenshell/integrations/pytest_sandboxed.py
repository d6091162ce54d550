"""One marked test: what its mark asks for, and its way through a sandbox. Imported only when there is one."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from pyopenshell.errors import OpenShellError, SandboxGone
from pyopenshell.integrations import pytest_reports, python_path
from pyopenshell.integrations.door import Door, DoorClosed, DoorRefused, DoorTimeout
from pyopenshell.integrations.options import SandboxOptions, with_program
from pyopenshell.policy.model import Policy
from pyopenshell.record import Record
from pyopenshell.sandbox.box import Sandbox
from pyopenshell.sandbox.command import PIPE, STDOUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

MAX_FRAME = 16 << 20
"""Bytes of one report."""
MAX_REPORTS = 10_000
"""Reports of one test: subtests have their own."""
MAX_ALL = 64 << 20
"""Bytes of all reports of one test, which pytest keeps."""
_KEPT = 1 << 16
"""Bytes that are kept of what the sandboxed pytest itself prints."""
_PATIENCE = 1.0
"""Seconds that the pytest inside may take to exit, having told of the test's end."""
NAMES = ("openshell", "pyopenshell.integrations.pytest_plugin")
"""What this plugin is called by its entry point and by ``pytest_plugins``; inside it is neither needed nor found."""
PASSED = ("PYTHONPATH", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_XDIST_WORKER", "PYTHONHASHSEED")
"""Variables of this process that the pytest inside needs to run the same test."""
OWN = {"file_or_dir", "plugins", "inifilename", "rootdir", "override_ini", "confcutdir", "importmode", "pythonwarnings"}
"""Options that are given as arguments, because pytest reads them before plugins are asked."""
OUTER = {
    *("basetemp", "cacheclear", "cacheshow", "collectonly", "debug", "deselect", "failedfirst", "help", "ignore"),
    *("ignore_glob", "keyword", "last_failed_no_failures", "lf", "log_file", "markers", "markexpr", "maxfail"),
    *("newfirst", "pastebin", "setuponly", "setupplan", "setupshow", "show_fixtures_per_test", "showfixtures"),
    *("stepwise", "stepwise_reset", "stepwise_skip", "trace", "usepdb", "usepdb_cls", "version", "xmlpath"),
    *("dist", "distload", "looponfail", "maxprocesses", "numprocesses", "px", "rsyncdir", "testrunuid", "tx"),  # xdist
    *("cov_append", "cov_source", "cov_report", "no_cov", "reruns", "report_log", "htmlpath"),
}
"""Options of the whole test run, which one test in a sandbox must not act on."""


class Request(Record):
    """What a mark asks for."""

    policy: Policy
    options: SandboxOptions
    timeout: float | None
    own_policy: bool


def read(item: pytest.Item, mark: pytest.Mark) -> Request:
    """Return what the mark asks for. Raises UsageError, which names the test."""
    given: dict[str, Any] = {**mark.kwargs}
    if len(mark.args) > 1 or (mark.args and "policy" in given):
        raise pytest.UsageError(f"{item.nodeid}: sandboxed() takes one policy")
    named = mark.args[0] if mark.args else given.pop("policy", None)
    timeout = given.pop("timeout", None)
    unknown = given.keys() - SandboxOptions.__annotations__.keys()
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: sandboxed() does not know {', '.join(sorted(unknown))}")
    folder = os.fspath(item.config.invocation_params.dir)
    options: SandboxOptions = with_program({"workdir": folder, **given}, sys.executable)  # type: ignore[typeddict-item]
    options["env"] = {**{name: None for name in PASSED if name in os.environ}, **(options.get("env") or {})}
    try:
        policy = _policy(named, item.config)
    except OpenShellError as error:
        raise pytest.UsageError(f"{item.nodeid}: {'; '.join(error.lines())}") from error
    return Request(policy=policy, options=options, timeout=timeout, own_policy=named is not None)


def perform(item: pytest.Item, nextitem: pytest.Item | None, request: Request) -> Iterator[pytest.TestReport]:
    """Run the test and yield its reports: those of the sandbox, then what went wrong with that, or after it."""
    began = time.time()
    outcome = pytest_reports.Outcome(item, began)
    try:
        with Sandbox(request.policy, **request.options) as box:
            outcome.about = _about(box, request)
            yield from _inside(item, request, box, outcome)
    except OpenShellError as error:
        yield outcome.failed("\n".join(error.lines()))
    # Fixtures of the tests before this one may end with it; pytest does that here, too.
    runner = item.config.pluginmanager.get_plugin("runner")
    assert runner is not None  # noqa: S101 - pytest cannot do without
    ended = pytest.CallInfo.from_call(lambda: runner.pytest_runtest_teardown(item, nextitem), when="teardown")
    if ended.excinfo is not None:
        yield item.ihook.pytest_runtest_makereport(item=item, call=ended)


def _inside(
    item: pytest.Item, request: Request, box: Sandbox, outcome: pytest_reports.Outcome
) -> Iterator[pytest.TestReport]:
    streams = {} if item.config.getoption("capture") == "no" else {"stdout": PIPE, "stderr": STDOUT}
    door = Door(box, sys.executable, "pytest_run", **streams)
    said = _Tail(door.process.stdout)
    wrong = None
    try:
        yield from _reports(item, request, box, outcome, door)
        if not outcome.complete:
            wrong = "pytest in the sandbox ended before the test did"
    except DoorTimeout:
        wrong = f"the test took longer than {request.timeout} s and was killed"
    except DoorClosed as error:
        wrong = error.message
    except DoorRefused as error:
        wrong = f"what the sandbox reported is not taken: {error}"
    finally:
        with suppress(SandboxGone):
            if wrong is not None:
                door.process.kill()
            with suppress(TimeoutError):
                door.process.wait(_PATIENCE)
        said.wait()
        door.close()
    if wrong is not None:
        yield outcome.failed(wrong, said)


def _reports(
    item: pytest.Item, request: Request, box: Sandbox, outcome: pytest_reports.Outcome, door: Door
) -> Iterator[pytest.TestReport]:
    """Yield the reports that the sandbox sends. Raises DoorRefused where they are none, DoorClosed, DoorTimeout."""
    deadline = None if request.timeout is None else time.monotonic() + request.timeout
    door.send(json.dumps(_told(item)).encode(), deadline)
    left = MAX_ALL
    for _ in range(MAX_REPORTS):
        data = door.receive(MAX_FRAME, deadline)
        left -= len(data)
        if left < 0:
            raise DoorRefused(f"the sandbox sent more than {MAX_ALL:,} bytes of reports")
        try:
            taken = _take(data, outcome, box)
        except DoorRefused:
            raise
        except Exception as error:  # whatever it sent, this test fails of it, and not the whole run
            raise DoorRefused(f"{type(error).__name__}: {error}") from error
        if isinstance(taken, pytest.TestReport):
            yield taken
        elif taken:
            return
    raise DoorRefused(f"the sandbox sent more than {MAX_REPORTS:,} reports")


def _take(data: bytearray, outcome: pytest_reports.Outcome, box: Sandbox) -> pytest.TestReport | bool:
    """Return the report that was sent, or whether it was the end. Raises DoorRefused, and what reading it raises."""
    match json.loads(data):
        case {"report": told}:
            return outcome.report(told, box.effective)
        case {"warning": [str(text), str(file), line]}:
            outcome.warned(text, file, line)
        case {"trouble": str(text)}:
            outcome.troubles.append(text)
        case {"exit": int()}:
            return True
        case _:
            raise DoorRefused("the sandbox sent what is no report")
    return False


class _Tail:
    """The end of what the sandboxed pytest prints. A thread reads it, lest a full pipe stop the test."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._data = bytearray()
        # A descriptor of its own: what the test left behind may hold the other end until the sandbox ends.
        self._fd = os.dup(pipe.fileno()) if pipe else os.open(os.devnull, os.O_RDONLY)
        self._thread = threading.Thread(target=self._read, name="sandboxed-output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := os.read(self._fd, _KEPT):
            self._data = (self._data + data)[-_KEPT:]
        os.close(self._fd)

    def wait(self) -> None:
        """Wait for the end, a moment."""
        self._thread.join(_PATIENCE)

    def __str__(self) -> str:
        return bytes(self._data).decode(errors="replace")


def _told(item: pytest.Item) -> dict[str, Any]:
    from pyopenshell.integrations.pytest_plugin import MARKER

    config = item.config
    options = {name: value for name, value in vars(config.option).items() if name not in OWN | OUTER and _plain(value)}
    return {
        "args": _arguments(item),
        "options": options,
        "marker": MARKER,
        "path": python_path.entries(),
    }


def _arguments(item: pytest.Item) -> list[str]:
    """Return the arguments for pytest inside: this test, found as it was found here, and nothing of the whole run."""
    config = item.config
    words = [f"{item.path}::{item.nodeid.partition('::')[2]}", f"--rootdir={config.rootpath}", "-p", "no:terminal"]
    words += ["-p", "no:cacheprovider", *(word for name in NAMES for word in ("-p", f"no:{name}"))]
    inifile = os.fspath(config.inipath or os.devnull)  # else it would look for one
    # Without it pytest collects from the file system's root on, where the file lies beside that of its settings.
    above = config.rootpath if inifile == os.devnull else os.path.dirname(inifile)
    words += ["-c", inifile, f"--confcutdir={config.getoption('confcutdir') or above}"]
    words += [f"--import-mode={config.getoption('importmode')}"]
    words += [word for name in config.getoption("plugins") or () if name not in NAMES for word in ("-p", name)]
    words += [word for text in config.getoption("override_ini") or () for word in ("-o", text)]
    words += [word for text in config.getoption("pythonwarnings") or () for word in ("-W", text)]
    return [*words, "-o", "addopts="]


def _plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str | int | float) for one in value)
    return value is None or isinstance(value, str | int | float)


def _policy(named: object, config: pytest.Config) -> Policy:
    if isinstance(named, Policy):
        return named
    if isinstance(named, str | os.PathLike):
        return Policy.load(config.rootpath / named)
    if isinstance(named, dict):
        return Policy.from_dict(named)
    if named is not None:
        raise OpenShellError(f"a policy cannot be {named!r}", hint="name a file, or give a mapping or a Policy")
    return python_path.policy(workdir=None, folders=map(os.fspath, (config.rootpath, config.invocation_params.dir)))


def _about(box: Sandbox, request: Request) -> str:
    source = request.policy.source.file or ("the policy of its mark" if request.own_policy else "the default for tests")
    return f"Sandbox {box.name}, policy: {source}. All that it may do: openshell policy get {box.name} --full"
