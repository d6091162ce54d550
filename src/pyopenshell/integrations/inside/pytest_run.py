"""What runs in a sandbox for ``@pytest.mark.sandboxed``: pytest, for one test, with its reports sent out as JSON.

The owner sends one frame, what to run; each answer is a frame: ``{"report": …}`` for every report, ``{"warning": …}``
for what the test warned of, ``{"trouble": text}`` for what went wrong before there was any report, ``{"exit": number}``
at the end.
"""

import _socket
import json
import os
import sys
from typing import Any

MAX_TEXT = 1 << 20
"""Characters that are sent of one text."""


class Inside:
    """A pytest plugin that tells the owner of each report."""

    def __init__(self, answers: int, told: dict[str, Any]) -> None:
        """Report through the pipe ``answers``. ``told`` has the owner's ``options`` and the line for the marker."""
        self.answers = answers
        self.told = told

    def send(self, value: dict[str, Any]) -> None:
        """Send one frame."""
        data = json.dumps(value).encode()
        view = memoryview(len(data).to_bytes(8, "little") + data)
        while view:
            view = view[os.write(self.answers, view) :]

    def pytest_configure(self, config: Any) -> None:
        """Take over the owner's options, as pytest-xdist's workers do."""
        for name, value in self.told["options"].items():
            setattr(config.option, name, value)
        config.addinivalue_line("markers", self.told["marker"])

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Send what can be known of a report without its objects."""
        told = {name: getattr(report, name) for name in ("when", "outcome", "duration")}
        told["sections"] = [[name, text[-MAX_TEXT:]] for name, text in report.sections]
        told["properties"] = [[str(name), str(value)] for name, value in report.user_properties]
        if hasattr(report, "wasxfail"):
            told["wasxfail"] = str(report.wasxfail)
        if isinstance(report.longrepr, tuple):
            told["skip"] = [str(report.longrepr[0]), report.longrepr[1], str(report.longrepr[2])]
        elif report.longrepr is not None:
            told |= _failure(report)
        self.send({"report": told})

    def pytest_warning_recorded(self, warning_message: Any, when: str) -> None:
        """Send a warning that the test gave."""
        if when == "runtest":
            text = f"{warning_message.category.__name__}: {warning_message.message}"[:MAX_TEXT]
            self.send({"warning": [text, str(warning_message.filename), int(warning_message.lineno)]})

    def pytest_collectreport(self, report: Any) -> None:
        """Send what keeps the test from being found."""
        if report.failed:
            self.send({"trouble": str(report.longrepr)[-MAX_TEXT:]})


def _failure(report: Any) -> dict[str, Any]:
    crash = getattr(report.longrepr, "reprcrash", None)
    context = getattr(report, "context", None)  # of a subtest
    text = str(report.longrepr)[-MAX_TEXT:]
    told: dict[str, Any] = {"text": text}
    if getattr(getattr(report.longrepr, "reprtraceback", None), "style", None) == "long" and text[:1] not in ">E":
        told["text"] = f"    {text}"  # of which the blanks before the first line are stripped
    if context is not None:
        told["text"] = f"{getattr(context, 'msg', None) or 'subtest'} {getattr(context, 'kwargs', '')}\n{told['text']}"
    if crash is not None:
        told["crash"] = [str(crash.path), crash.lineno, str(crash.message)[:MAX_TEXT]]
    return told


def serve(door: _socket.socket, answers: int) -> None:
    """Run the test that the owner names."""
    size = int.from_bytes(door.recv(8, _socket.MSG_WAITALL), "little")
    told = json.loads(door.recv(size, _socket.MSG_WAITALL))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    door.detach()
    sys.path[:] = told["path"]
    sys.argv[:] = ["pytest", *told["args"]]
    import pytest

    pytest.hookimpl(tryfirst=True)(Inside.pytest_configure)
    inside = Inside(answers, told)
    status = pytest.main(told["args"], plugins=[inside])
    inside.send({"exit": int(status)})
    os.close(answers)
