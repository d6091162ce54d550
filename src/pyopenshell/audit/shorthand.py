"""One audit event as one line for people: ``<time> OCSF CLASS:ACTIVITY [SEVERITY] ACTION details [context]``.

Whatever a path, an argument or a reason contains, it can neither end the line, nor move the cursor, nor pass for one
of the bracketed fields: those characters are escaped.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    _Parts = tuple[str, str, tuple[list[tuple[str, str]], ...]]
    """The activity, the action with its details, and the groups of named fields that are shown in brackets."""

_PREFIXES = {1001: "FILE", 1007: "PROC", 2004: "FINDING", 5019: "CONFIG", 6002: "LIFECYCLE"}
_SEVERITIES = {1: "INFO", 2: "LOW", 3: "MED", 4: "HIGH", 5: "CRIT"}
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
DIGEST = 12
"""Characters of a digest that are shown."""


def line(event: dict[str, Any]) -> str:
    """Return the event as one line, without its newline."""
    activity, details, fields = _DETAILS[event["class_uid"]](event)
    head = f"{moment(event['time'])} OCSF {_PREFIXES[event['class_uid']]}:{activity.upper()}"
    shown = [f"[{' '.join(f'{name}:{escape(value)}' for name, value in group)}]" for group in fields if group]
    return " ".join([f"{head} [{_SEVERITIES[event['severity_id']]}]", escape(details), *shown])


def escape(text: str) -> str:
    r"""Escape what is not printable, backslashes and square brackets: ``\n``, ``\x1b``, ``\u202e``, ``\[``.

    Bytes of a path that are not UTF-8 (PEP 383) are shown as those bytes, ``\xff``.
    """
    if text.isprintable() and "\\" not in text and "[" not in text and "]" not in text:
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character in "\\[]":
        return "\\" + character
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character in _NAMED:
        return _NAMED[character]
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def moment(milliseconds: int) -> str:
    """RFC 3339, in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def _config(event: dict[str, Any]) -> _Parts:
    grant = event["unmapped"].get("grant")
    return _grant(event, grant) if grant else _enforced(event)


def _grant(event: dict[str, Any], grant: dict[str, Any]) -> _Parts:
    origin = grant["origin"]
    named = origin["name"] and origin["kind"] != "workdir"
    label = f"{origin['kind']}/{origin['name']}" if named else origin["kind"]
    details = f"{grant['status'].upper()} {','.join(grant['access'])} {grant['path']}"
    if grant["resolved"] not in (None, grant["path"]):
        details += f" -> {grant['resolved']}"
    fields = [("origin", label), ("mechanism", grant["mechanism"])]
    if grant["status"] in ("enforced", "blocked") and set(grant["actual"]) != set(grant["access"]):
        fields.append(("actual", ",".join(grant["actual"]) or "-"))
    groups = [fields, [("reason", grant["reason"])]]
    groups += [[(name, grant["detail"][name])] for name in ("covered_by", "message") if grant["detail"][name]]
    return event["state"], details, tuple(groups)


def _enforced(event: dict[str, Any]) -> _Parts:
    more = event["unmapped"]
    landlock, checks = more["landlock"], more["checks"]
    details = (
        f"{event['status'].upper()} landlock ABI {landlock['abi']}, {more['rules']} rules, "
        f"{len(landlock['handled'])} rights handled; seccomp {more['seccomp']['count']} instructions"
    )
    dropped = ",".join(right["right"] for right in landlock["dropped"])
    return (
        event["state"],
        details,
        (
            [("digest", more["effective_digest"][:DIGEST]), ("seccomp", more["seccomp"]["sha256"][:DIGEST])],
            [("dropped", dropped)] if dropped else [],
            [
                (
                    "isolation",
                    ",".join(f"{kind}={more['isolation'][kind]['state']}" for kind in sorted(more["isolation"])),
                )
            ],
            [("checks", f"{checks['total'] - len(checks['failed'])}/{checks['total']}")],
            [("failed", ",".join(checks["failed"]))] if checks["failed"] else [],
        ),
    )


def _process(event: dict[str, Any]) -> _Parts:
    process, more = event["process"], event["unmapped"]
    if event["activity_id"] == 1:
        action = "ALLOWED" if event["status_id"] == 1 else "FAILED"
    else:
        action = f"EXIT {event['exit_code']}" if more["signal"] is None else f"SIGNAL {more['signal']}"
    details = f"{action} {process['path']}({process.get('pid', '-')}) {process['cmd_line']}"
    reason = event.get("status_detail")
    fields = [("sandbox", process["sandbox"]), ("uid", process["user"]["uid"])]
    return event["activity_name"], details, (fields, [("reason", reason)] if reason else [])


def _file(event: dict[str, Any]) -> _Parts:
    process, reason = event["actor"]["process"], event["unmapped"]["reason"]
    fields = [("mechanism", event["unmapped"]["mechanism"]), ("sandbox", process["sandbox"])]
    details = f"{event['action'].upper()} {event['file']['path']} by {process['pid']}"
    return event["activity_name"], details, (fields, [("reason", reason)] if reason else [])


def _finding(event: dict[str, Any]) -> _Parts:
    info, hint, about = event["finding_info"], event.get("remediation"), event["unmapped"]["grant"]
    return (
        event["activity_name"],
        f"{info['uid']} {info['title']}",
        ([("grant", about)] if about else [], [("hint", hint["desc"])] if hint else []),
    )


def _lifecycle(event: dict[str, Any]) -> _Parts:
    app, broker = event["app"], event["unmapped"].get("broker")
    fields: tuple[list[tuple[str, str]], ...] = ([("run", app["uid"]), ("version", app["version"])],)
    if broker:
        counts = (f"{kind}={number}" for kind, number in broker["by_kind"].items() if number)
        fields += ([("broker", ",".join(counts) or "unused")],)
    return event["activity_name"], f"SUCCESS {app['name']}", fields


_DETAILS = {1001: _file, 1007: _process, 2004: _finding, 5019: _config, 6002: _lifecycle}
