"""One line of a log: whether it is wanted, and how one that a gateway tells is shown."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from pyopenshell.record import Record

if TYPE_CHECKING:
    from typing import Any

LEVELS = {"trace": 0, "debug": 0, "info": 1, "informational": 1, "low": 2, "medium": 3, "med": 3}
LEVELS |= {"warn": 3, "warning": 3, "high": 4, "error": 4, "critical": 5, "crit": 5}
"""Severities (OCSF's ``severity_id``) by the words for them, also those of other logs."""
WORDS = ("", "info", "info", "warn", "error", "error")
"""The nearest levels that a gateway knows."""
_MARKS = {"INFO": 1, "LOW": 2, "MED": 3, "HIGH": 4, "CRIT": 5}
_SHORT = re.compile(r"(\S+Z) OCSF \S+ \[([A-Z]+)\]")


class Wanted(Record):
    """Lines not older than ``since`` (seconds since 1970), from a severity on, of some sources (none: of all)."""

    since: float = 0.0
    level: int = 0
    sources: tuple[str, ...] = ()

    def takes(self, line: str) -> bool:
        """Return whether a line of a record is wanted. One that says neither time nor severity is, always."""
        if not (self.since or self.level):
            return True
        when, level = _facts(line)
        return (when is None or when >= self.since) and (level is None or level >= self.level)


def _facts(line: str) -> tuple[float | None, int | None]:
    """Return a line's time and severity, as far as they can be read."""
    if line.startswith("{"):
        try:
            event = json.loads(line)
            return event["time"] / 1000, event["severity_id"]
        except (ValueError, KeyError, TypeError):
            return None, None
    found = _SHORT.match(line)
    if not found:
        return None, None
    try:
        whole, _, rest = found[1].rstrip("Z").partition(".")
        # calendar.timegm is what turns UTC back; strptime alone knows the local time only.
        from calendar import timegm

        when = timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{rest or 0}")
    except ValueError:
        return None, _MARKS.get(found[2])
    return when, _MARKS.get(found[2])


def shown(told: Any, form: str) -> str:
    """Return a gateway's line as a record has it: in shorthand as it is, else with its time, source and level."""
    if form == "json":
        if "ocsf" in told.fields:
            return str(told.fields["ocsf"])
        shape = {"time": _milliseconds(told.event_time), "level": told.level, "source": told.source}
        shape |= {"target": told.target, "message": told.message, "fields": dict(sorted(told.fields.items()))}
        return json.dumps(shape)
    message = str(told.message)
    if _SHORT.match(message):
        return message
    seconds, rest = divmod(_milliseconds(told.event_time), 1000)
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"
    if message.startswith("OCSF "):
        return f"{moment} {message}"
    words = (moment, told.source, told.level.upper(), message)
    return " ".join(word for word in words if word)


def _milliseconds(stamp: Any) -> int:
    return int(stamp.seconds * 1000 + stamp.nanos // 1_000_000)
