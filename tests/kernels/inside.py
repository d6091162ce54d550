"""What a booted kernel does: tell what it is, then run the tests as root and as a user, and report to a serial port.

Each line there is a JSON object with a ``kind``: ``kernel`` (facts), ``place`` (what a sandbox is there, for the run
named; if asked for), ``test`` (one outcome), ``run`` (the end of a run).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from pyopenshell.kernel import landlock, process
from pyopenshell.launch import trial
from tests.confined.broker import features
from tests.kernels.catalogue import KERNELS, Run
from tests.kernels.image import UID, USER

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = "/dev/ttyS1"
MARKER = "kernels"
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
USER_NAMESPACES = Path("/proc/sys/kernel/unprivileged_userns_clone")
"""Debian's own switch."""
LONGEST_FAILURE = 6000
"""Characters of a failed test's report."""
PLACE_SECONDS = 120
IDENTITIES = ("anyone", "who", "uid")
"""The parameters of tests that say who acts."""


def main() -> int:
    """Do everything, and return 0: what went wrong is in the lines."""
    words = dict(word.partition("=")[::2] for word in Path("/proc/cmdline").read_text().split())
    kernel = next(known for known in KERNELS if known.name == unquote(words["openshell.kernel"]))
    with open(PORT, "w", encoding="utf-8", buffering=1) as port:

        def say(kind: str, **facts: Any) -> None:
            port.write(json.dumps({"kind": kind, **facts}) + "\n")

        say("kernel", **facts())
        for run in kernel.runs:
            begin = time.monotonic()
            _set_up(run)
            if words["openshell.places"] == "yes" and run.is_place:
                say("place", run=run.name, place=_place(run))
            status = _in_child(run, say, everything=words["openshell.tests"] == "all")
            say("run", run=run.name, status=status, seconds=round(time.monotonic() - begin, 1))
    return 0


def facts() -> dict[str, Any]:
    """Return what this kernel is, as it says itself."""
    try:
        abi, errata, answer = landlock.abi(), landlock.errata(), "ok"
    except OSError as error:
        abi, errata, answer = 0, 0, os.strerror(error.errno or 0)
    return {
        "release": os.uname().release,
        "abi": abi,
        "errata": errata,
        "answer": answer,
        "lsm": Path("/sys/kernel/security/lsm").read_text().split(","),
        "has_yama": YAMA.exists(),
        "notification": features.features(),
    }


def _set_up(run: Run) -> None:
    if YAMA.exists():
        YAMA.write_text(str(run.yama))
    if USER_NAMESPACES.exists():
        USER_NAMESPACES.write_text(str(int(run.userns)))
    if run.profile:
        subprocess.run(("apparmor_parser", "-K", "-r", f"tests/places/{run.profile}.apparmor"), check=True)


def _environment(run: Run) -> dict[str, str]:
    name, home = (USER, f"/home/{USER}") if run.user else ("root", "/root")
    environment = {"HOME": home, "USER": name, "LOGNAME": name, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= {"HYPOTHESIS_STORAGE_DIRECTORY": f"/tmp/hypothesis-{name}"}
    return environment | ({"OPENSHELL_TEST_ABI": str(run.masked)} if run.masked is not None else {})


def _become(run: Run) -> None:
    environment = _environment(run)
    os.environ.clear()
    os.environ.update(environment)
    if run.user:
        os.setgroups([])
        os.setresgid(UID, UID, UID)
        os.setresuid(UID, UID, UID)
        process.set_dumpable(True)  # as if executed by that user: else it may not write its children's id maps
    if run.profile:
        Path("/proc/self/attr/apparmor/current").write_text(f"changeprofile {run.profile}")


def _place(run: Run) -> dict[str, Any]:
    """Return what a sandbox is here: what isolates it, what is missing, what the operator is told."""
    identity: dict[str, Any] = {"user": UID, "group": UID, "extra_groups": []} if run.user else {}
    beneath = ("-m", "tests.places.beneath", run.profile, sys.executable) if run.profile else ()
    masked = () if run.masked is None else ("--max-abi", str(run.masked))
    command = (sys.executable, *beneath, "-m", "tests.places.measure", *masked)
    try:
        done = subprocess.run(
            command,
            env=_environment(run),
            stdout=subprocess.PIPE,
            text=True,
            timeout=PLACE_SECONDS,
            check=False,
            **identity,
        )
        place: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as problem:
        return {"error": {"message": f"could not be measured: {problem}"}}
    return place


def _namespaces() -> list[str]:
    """Return the kinds of namespaces that this process can have its sandboxes make."""
    made = trial.namespaces()
    return [kind for kind in ("user", "mount", "pid", "net", "ipc") if getattr(made, kind)]


def _in_child(run: Run, say: Callable[..., None], *, everything: bool) -> int:
    """Run the tests as the run's identity. What is imported here the child has already: that saves seconds."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            _become(run)
            say("namespaces", run=run.name, made=_namespaces(), yama=int(YAMA.read_text()) if YAMA.exists() else None)
            status = _test(run, say, everything=everything)
        except BaseException:  # for the console: the run's status tells that there was something
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _test(run: Run, say: Callable[..., None], *, everything: bool) -> int:
    folders = [f"tests/{part}" for part in run.only or ("confined",)]
    folders = [folder for folder in folders if os.path.exists(folder)]
    chosen = folders if everything else marked([*folders, "tests/unit"] if run.is_whole else folders)
    if not chosen:
        return 0
    select = () if everything else ("-m", MARKER)
    options = ("-q", "--color=no", "-p", "no:cacheprovider", "--tb=short", *select)
    return int(pytest.main([*options, *chosen], plugins=[Reporter(run, say)]))


def marked(folders: list[str]) -> list[str]:
    """Return the test files that hold the marker: collecting the others would cost more than running these."""
    files = sorted(file for folder in folders for file in Path(folder).rglob("test_*.py"))
    return [str(file) for file in files if f"mark.{MARKER}" in file.read_text()]


class Reporter:
    """A pytest plugin that tells the outcome of each test as it comes."""

    def __init__(self, run: Run, say: Callable[..., None]) -> None:
        self.run = run
        self.say = say

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what is about the other identity, which has a run of its own: root can show a user's half too."""
        other = "root" if self.run.user else "user"
        left_out = [item for item in items if other in map(_parameters(item).get, IDENTITIES)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell of the call, and of a failure or a skip wherever it comes."""
        if report.when == "call" or report.outcome != "passed":
            self._tell(report.nodeid, report, report.duration)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell of a file that cannot be read: its tests would silently be missing."""
        if report.outcome != "passed":
            self._tell(report.nodeid, report, 0)

    def _tell(self, name: str, report: pytest.TestReport | pytest.CollectReport, seconds: float) -> None:
        text = ""
        if report.outcome == "skipped":
            text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            text = text.removeprefix("Skipped: ")
        elif report.outcome == "failed":
            text = report.longreprtext[-LONGEST_FAILURE:]
        self.say("test", run=self.run.name, id=name, outcome=report.outcome, text=text, seconds=round(seconds, 2))


def _parameters(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


if __name__ == "__main__":
    sys.exit(main())
