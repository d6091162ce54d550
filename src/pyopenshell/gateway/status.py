"""Our errors on the wire and back: a gRPC status, with details for machines (google.rpc, AIP-193).

The status's text is what a person reads: place, message, hint. ``grpc-status-details-bin`` has the parts again: an
``ErrorInfo`` (reason: our code; domain ``pyopenshell``) and a ``BadRequest`` where fields are named. All of it stays
below the 8 KiB of metadata that clients take by default.
"""

from __future__ import annotations

import json

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from pyopenshell import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

DOMAIN = "pyopenshell"
DETAILS = "grpc-status-details-bin"
_TEXT, _VALUE, _PROBLEMS = 1200, 500, 1500
"""Bytes, as sent, of the status's text, of one value in the details, and of all fields named in them."""

_Code = grpc.StatusCode
_BY_CODE = {
    "auth.missing": _Code.UNAUTHENTICATED,
    "auth.denied": _Code.PERMISSION_DENIED,
    "gateway.unimplemented": _Code.UNIMPLEMENTED,
    "gateway.unreachable": _Code.UNAVAILABLE,
}
"""Errors whose code decides, before their class."""
_BY_CLASS = {
    "UsageError": _Code.INVALID_ARGUMENT,
    "PolicyError": _Code.INVALID_ARGUMENT,
    "PolicyRefused": _Code.FAILED_PRECONDITION,
    "NotRunning": _Code.FAILED_PRECONDITION,
    "GpuError": _Code.FAILED_PRECONDITION,
    "IdentityError": _Code.FAILED_PRECONDITION,
    "CommandError": _Code.FAILED_PRECONDITION,
    "KernelUnsupported": _Code.FAILED_PRECONDITION,
    "ContributorError": _Code.FAILED_PRECONDITION,
    "NoSuchSandbox": _Code.NOT_FOUND,
    "NoSuchSession": _Code.NOT_FOUND,
    "NotKept": _Code.NOT_FOUND,
    "NameInUse": _Code.ALREADY_EXISTS,
    "Conflict": _Code.ABORTED,
    "StillUsed": _Code.FAILED_PRECONDITION,
    "FilesError": _Code.FAILED_PRECONDITION,
    "NoRecord": _Code.FAILED_PRECONDITION,
    "SandboxGone": _Code.UNAVAILABLE,
    "StateError": _Code.UNAVAILABLE,
    "ZygoteError": _Code.UNAVAILABLE,
    "CommandTimeout": _Code.DEADLINE_EXCEEDED,
}
_FOREIGN: dict[grpc.StatusCode, tuple[type[errors.OpenShellError], str, str]] = {
    _Code.NOT_FOUND: (errors.NoSuchSandbox, "sandbox.unknown", ""),
    _Code.ALREADY_EXISTS: (errors.NameInUse, "sandbox.exists", ""),
    _Code.INVALID_ARGUMENT: (errors.UsageError, "usage", ""),
    _Code.UNAVAILABLE: (
        errors.OpenShellError,
        "gateway.unreachable",
        "is it running? `openshell status` says which gateway is meant, `openshell gateway start` starts a local one",
    ),
    _Code.UNAUTHENTICATED: (
        errors.OpenShellError,
        "auth.missing",
        "`openshell gateway list` says how each is spoken to",
    ),
    _Code.PERMISSION_DENIED: (errors.OpenShellError, "auth.denied", ""),
    _Code.UNIMPLEMENTED: (errors.OpenShellError, "gateway.unimplemented", "the gateway does not offer this"),
    _Code.RESOURCE_EXHAUSTED: (errors.OpenShellError, "limit", ""),
    _Code.DEADLINE_EXCEEDED: (errors.OpenShellError, "gateway.deadline", ""),
    _Code.CANCELLED: (errors.OpenShellError, "gateway.cancelled", ""),
}
"""What an answer without our details becomes: other gateways', and gRPC's own."""


def code_of(error: errors.OpenShellError) -> grpc.StatusCode:
    """Return the status for an error: by its code, else by the nearest of its classes, else INTERNAL."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if error.code.partition(".")[0] == "limit":
        return _Code.RESOURCE_EXHAUSTED
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((_BY_CLASS[name] for name in names if name in _BY_CLASS), _Code.INTERNAL)


def text_of(error: errors.OpenShellError) -> str:
    """Return the status's text: where, what, and in brackets what to do."""
    text = f"{error.place}: {error.message}" if error.place else error.message
    return _cut(f"{text} ({error.hint})" if error.hint else text, _TEXT)


def to_rpc(error: errors.OpenShellError) -> tuple[grpc.StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Return what answers a call that failed: status, text, trailing metadata."""
    code, text = code_of(error), text_of(error)
    info = error_details_pb2.ErrorInfo(reason=_cut(error.code, _VALUE), domain=DOMAIN)
    told = {"class": type(error).__name__, "exit_code": error.exit_code}
    told |= {name: getattr(error, name, None) for name in ("hint", "file", "line", "column", "step", "errno")}
    info.metadata.update({name: _cut(str(value), _VALUE) for name, value in told.items() if value is not None})
    status = status_pb2.Status(code=code.value[0], message=text)
    bad = _bad_request(error, info)
    status.details.add().Pack(info)
    if bad.field_violations:
        status.details.add().Pack(bad)
    return code, text, ((DETAILS, status.SerializeToString()),)


def _bad_request(error: errors.OpenShellError, info: error_details_pb2.ErrorInfo) -> error_details_pb2.BadRequest:
    """Return the fields that are wrong, as many as there is room for; their places in the policy go beside them."""
    bad = error_details_pb2.BadRequest()
    if not isinstance(error, errors.PolicyError):
        field = getattr(error, "field", None)
        if field is not None:
            bad.field_violations.add(field=_cut(field, _VALUE), description=_cut(error.message, _VALUE))
        return bad
    places = []
    for problem in error.problems:
        bad.field_violations.add(field=_cut(problem.key or "", _VALUE), description=_cut(problem.message, _VALUE))
        places.append((problem.line, problem.column, _cut(problem.hint, _VALUE) if problem.hint else None))
        if bad.ByteSize() + len(json.dumps(places)) > _PROBLEMS and len(places) > 1:
            del bad.field_violations[-1], places[-1]
            break
    info.metadata["places"] = json.dumps(places)
    info.metadata["problems"] = str(len(error.problems))
    return bad


def from_rpc(error: grpc.RpcError) -> errors.OpenShellError:
    """Return the error that a failed call stands for: ours as it was raised, anybody else's by its status."""
    code: grpc.StatusCode = error.code()
    text: str = error.details() or ""
    info, bad = _details(error, code, text)
    if info is not None:
        return _restored(text, info, bad)
    if code is _Code.RESOURCE_EXHAUSTED and "message larger than max" in text:
        return errors.OpenShellError(f"a message is too large for the gateway: {text}", code="limit.message")
    kind, name, hint = _FOREIGN.get(code, (errors.OpenShellError, "gateway", ""))
    said = text or code.name.lower().replace("_", " ")
    message = f"the gateway cannot be reached: {said}" if name == "gateway.unreachable" else said
    return kind(message, code=name, hint=hint or None)


def _details(
    error: grpc.RpcError, code: grpc.StatusCode, text: str
) -> tuple[error_details_pb2.ErrorInfo | None, error_details_pb2.BadRequest]:
    """Return our details of an answer; none where they are not ours, cannot be read, or say another thing than it."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    trailing: Any = error.trailing_metadata()
    for key, value in trailing or ():
        if key != DETAILS:
            continue
        try:
            status = status_pb2.Status.FromString(value)
            if status.code != code.value[0] or status.message != text:
                continue
            for detail in status.details:
                detail.Unpack(info)
                detail.Unpack(bad)
        except DecodeError:
            continue
    return (info if info.domain == DOMAIN else None), bad


def _restored(text: str, info: error_details_pb2.ErrorInfo, bad: error_details_pb2.BadRequest) -> errors.OpenShellError:
    told = dict(info.metadata)
    kind = getattr(errors, told.get("class", ""), errors.OpenShellError)
    if not (isinstance(kind, type) and issubclass(kind, errors.OpenShellError)):
        kind = errors.OpenShellError
    error = kind.__new__(kind)  # the constructors of some want more than a message
    plain: dict[str, Any] = {name: told.get(name) for name in ("hint", "file")}
    plain |= {name: _number(told.get(name)) for name in ("line", "column", "errno", "exit_code")}
    errors.OpenShellError.__init__(error, "", code=info.reason, hint=plain["hint"], file=plain["file"])
    error.line, error.column = plain["line"], plain["column"]
    if plain["exit_code"] in range(1, 256):  # no failure ends a command with 0
        error.exit_code = plain["exit_code"]
    error.message = _message(text, error)
    error.args = (error.message,)
    if isinstance(error, errors.LaunchError):
        error.step, error.errno = told.get("step", ""), plain["errno"]
    if isinstance(error, errors.PolicyError):
        error.problems = tuple(_problems(error, told, bad.field_violations))
    return error


def _message(text: str, error: errors.OpenShellError) -> str:
    """Return the message alone: ``text_of`` put the place before it and the hint behind it."""
    if error.place:
        text = text.removeprefix(f"{error.place}: ")
    return text.removesuffix(f" ({error.hint})") if error.hint else text


def _problems(error: errors.PolicyError, told: dict[str, str], violations: Iterable[Any]) -> list[errors.Problem]:
    try:
        places = [(_number(line), _number(column), hint) for line, column, hint in json.loads(told.get("places", "[]"))]
    except (ValueError, TypeError, RecursionError):
        places = []
    found = [
        errors.Problem(violation.description, line, column, violation.field or None, hint)
        for violation, (line, column, hint) in zip(violations, places, strict=False)
    ] or [errors.Problem(error.message, error.line, error.column, None, error.hint)]
    more = (_number(told.get("problems")) or 0) - len(found)
    return [*found, errors.Problem(f"{more} more mistakes; the rest is not shown")] if more > 0 else found


def _number(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None


def _cut(text: str, size: int) -> str:
    """Return a text that takes at most so many bytes on the wire: three for each that is not printable ASCII."""
    room = size
    for index, character in enumerate(text):
        room -= 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode("utf-8", "replace"))
        if room < 0:
            return text[: max(index - 1, 0)] + "…"
    return text.encode("utf-8", "replace").decode("utf-8")
