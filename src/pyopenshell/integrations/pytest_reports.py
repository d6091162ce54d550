"""Reports of a sandboxed test, made from what the sandbox sent: a stranger's data, checked piece by piece.

It can say how its own test ended, and lie about that; it cannot speak for another test, nor hand over objects.
"""

from __future__ import annotations

import errno
import re
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyopenshell.errors import OpenShellError
from pyopenshell.integrations.door import DoorRefused
from pyopenshell.integrations.text import printable

if TYPE_CHECKING:
    import pytest

    from pyopenshell.sandbox.why import InForce

MAX_TEXT = 1 << 20
MAX_SECONDS = 1_000_000_000
MAX_LINE = (1 << 31) - 1
_DENIED = re.compile(r"(?:PermissionError|OSError): \[Errno (1|13|30)\] [^:\n]+: '([^'\n]+)'")
_EXPLAINED = 5
"""Paths of one failure that are explained."""
_PHASES = ("setup", "call", "teardown")


class Outcome:
    """What came of one test so far."""

    def __init__(self, item: pytest.Item, began: float) -> None:
        """Report about this test, which began then (``time.time``)."""
        self.about: str | None = None
        """A line that says which sandbox it is, for the reader of a failure."""
        self.troubles: list[str] = []
        self.complete = False
        self._item = item
        self._began = began
        self._reported = -1

    def report(self, told: object, effective: InForce) -> pytest.TestReport:
        """Return pytest's report for one that was sent. Raises DoorRefused where it is none."""
        match told:
            case {
                "when": "setup" | "call" | "teardown" as when,
                "outcome": "passed" | "failed" | "skipped" as outcome,
                "duration": int() | float() as duration,
                "sections": list(sections),
                "properties": list(properties),
            } if isinstance(told, dict) and 0 <= duration <= MAX_SECONDS and not self.complete:  # no NaN either
                pass
            case _:
                raise DoorRefused("a report lacks what each has")
        if _PHASES.index(when) < self._reported:
            raise DoorRefused("reports come in the wrong order")
        longrepr = _longrepr(outcome, told)
        self._reported, self.complete = _PHASES.index(when), when == "teardown"
        shown = [_pair(section) for section in sections]
        if outcome == "failed":
            explained = _denied(told["text"], effective)
            shown.append(("Sandbox", "\n".join([*([self.about] if self.about else []), *explained])))
        extra: dict[str, Any] = {"sections": shown, "user_properties": [_pair(one) for one in properties]}
        if isinstance(told.get("wasxfail"), str):
            extra["wasxfail"] = printable(told["wasxfail"], MAX_TEXT)
        return self._made(when, outcome, float(duration), longrepr, extra)

    def warned(self, text: str, file: str, line: object) -> None:
        """Tell pytest of a warning. Raises DoorRefused.

        The line of source that would be shown is empty: it would be read from ``file``.
        """
        about = warnings.WarningMessage(printable(text), UserWarning, printable(file, 4096), _line(line), line="")
        told = {"warning_message": about, "when": "runtest", "nodeid": self._item.nodeid, "location": None}
        self._item.config.hook.pytest_warning_recorded.call_historic(kwargs=told)

    def failed(self, reason: str, said: object = "") -> pytest.TestReport:
        """Return a report of a test that did not get to its end, with what else was printed."""
        self.complete = True
        texts = [*self.troubles, reason]
        sections = [("Sandbox", self.about)] if self.about else []
        if str(said):
            sections.append(("Output of pytest in the sandbox", printable(str(said))))
        longrepr = _failure(printable("\n\n".join(texts)), None)
        extra = {"sections": sections, "user_properties": []}
        phase = _PHASES[min(self._reported + 1, 2)]
        return self._made(phase, "failed", time.time() - self._began, longrepr, extra)

    def _made(
        self, when: str, outcome: str, duration: float, longrepr: object, extra: dict[str, Any]
    ) -> pytest.TestReport:
        item = self._item
        data = {
            "$report_type": "TestReport",
            "nodeid": item.nodeid,
            "location": item.location,
            "keywords": dict.fromkeys(item.keywords, 1),
            "outcome": outcome,
            "longrepr": longrepr,
            "when": when,
            "duration": duration,
            "start": self._began,
            "stop": self._began + duration,
            **extra,
        }
        report: pytest.TestReport = item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
        return report


def _longrepr(outcome: str, told: dict[str, Any]) -> object:
    """Return why a test ended so. Raises DoorRefused: pytest's reporters rely on the shape for each outcome."""
    match outcome, told:
        case "skipped", {"skip": [str(path), line, str(reason)]}:
            return printable(path, 4096), _line(line), printable(reason, MAX_TEXT)
        case ("failed", {"text": str(text), "crash": [str(path), line, str(message)]}) | (
            "skipped",
            {"wasxfail": str(), "text": str(text), "crash": [str(path), line, str(message)]},
        ):
            place = printable(path, 4096), _line(line), printable(message, MAX_TEXT)
            return _failure(printable(text, MAX_TEXT), place)
        case "failed", {"text": str(text)}:
            return _failure(printable(text, MAX_TEXT), None)
        case ("passed", _) | ("skipped", {"wasxfail": str()}):
            return None
    raise DoorRefused(f"a report says that it {outcome}, and not why")


def _line(told: object) -> int:
    if isinstance(told, int) and abs(told) <= MAX_LINE:
        return int(told)
    raise DoorRefused("a line's number is none")


def _failure(text: str, crash: tuple[str, int, str] | None) -> dict[str, Any]:
    """Return the shape that pytest gives an exception between processes."""
    entry = {"lines": text.split("\n"), "reprfuncargs": None, "reprlocals": None, "reprfileloc": None, "style": "value"}
    place = dict(zip(("path", "lineno", "message"), crash or ("", 0, text.rsplit("\n", 1)[-1]), strict=True))
    traceback = {"reprentries": [{"type": "ReprEntry", "data": entry}], "extraline": None, "style": "value"}
    return {"reprcrash": place, "reprtraceback": traceback, "sections": [], "chain": None}


def _pair(told: object) -> tuple[str, str]:
    match told:
        case [str(name), str(text)]:
            return printable(name, 200), printable(text, MAX_TEXT)
    raise DoorRefused("a report's section is no pair of texts")


def _denied(text: str, effective: InForce) -> list[str]:
    """Return what explains the paths that a failure says were denied."""
    lines = []
    for number, path in [*dict.fromkeys(_DENIED.findall(text))][:_EXPLAINED]:
        with suppress(OpenShellError, OSError, ValueError):
            answer = effective.why(path)
            if int(number) == errno.EROFS or answer.errno in (0, errno.ENOENT):  # it was not reading that was denied
                answer = effective.why(path, write=True)
            if not answer.allowed:
                lines += [f"{path}: {' '.join(answer.explanation)}", *([answer.advice] if answer.advice else [])]
    return [printable(line) for line in lines]
