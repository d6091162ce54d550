"""What a request may say: names, labels, environments, commands, times, pages. Pure; each raises FieldError.

Bounds are in ``limits``. The grammar of labels and of their selectors is Kubernetes', as OpenShell's clients know it.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence, Sized

from google.protobuf.duration_pb2 import Duration

from pyopenshell.errors import UsageError
from pyopenshell.gateway import limits
from pyopenshell.policy.problems import show
from pyopenshell.runs.names import NAME_LENGTH, is_name

Test = Callable[[Mapping[str, str]], bool]
"""Whether labels fit."""

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_TOKEN = re.compile(r"[A-Za-z0-9-]+")
_LONGEST_PREFIX = 253
_LONGEST_SELECTOR = 4096
_COMMA = re.compile(r",(?![^()]*\))")
"""A comma that is in no brackets."""
_SET = re.compile(r"(\S+)\s+(in|notin)\s*\(([^()]*)\)")
_EQUAL = re.compile(r"([^=!\s]+)\s*(=|==|!=)\s*([^=!\s]*)")
_BARE = re.compile(r"(!?)\s*([^=!\s]+)")


class FieldError(UsageError):
    """A field of a request is wrong. ``field`` names it as the protocol does."""

    def __init__(self, field: str, problem: str, *, hint: str | None = None, code: str = "request.invalid") -> None:
        """Keep the field beside the message, which begins with it."""
        super().__init__(f"{field}: {problem}", hint=hint, code=code)
        self.field = field


def sandbox_name(name: str, field: str = "name") -> None:
    """Accept what can name a sandbox; workspaces and providers are named alike."""
    if not is_name(name):
        raise FieldError(
            field,
            f"{show(name)} is no name",
            hint=f"use at most {NAME_LENGTH} of a-z, 0-9 and '-', and begin with a letter or a digit",
            code="name.invalid",
        )


def count(items: Sized, field: str, most: int = limits.REQUEST_FIELDS) -> None:
    """Accept a list or a map that is not too long."""
    if len(items) > most:
        raise FieldError(field, f"has {len(items)} entries, the most is {most}", code="limit.entries")


def text(value: str, field: str, most: int) -> None:
    """Accept a text of at most so many bytes that holds no null character."""
    size = len(value.encode("utf-8", "replace"))
    if size > most:
        raise FieldError(field, f"has {size} bytes, the most is {most}", code="limit.text")
    if "\0" in value:
        raise FieldError(field, "holds a null character")


def labels(given: Mapping[str, str], field: str = "labels") -> None:
    """Accept labels."""
    count(given, field)
    for key, value in given.items():
        _key(key, field)
        if value and not _is_label(value):
            raise FieldError(
                f"{field}.{_shown(key)}",
                f"{show(value)} is no label's value",
                hint=f"use at most {limits.LABEL} letters, digits, '-', '_', '.'; the first and last a letter or digit",
            )


def annotations(given: Mapping[str, str], field: str = "annotations") -> None:
    """Accept annotations: keys like labels', any text, bounded together."""
    count(given, field)
    for key, value in given.items():
        _key(key, field)
        text(value, f"{field}.{_shown(key)}", limits.ANNOTATIONS)
    size = sum(len(key) + len(value.encode("utf-8", "replace")) for key, value in given.items())
    if size > limits.ANNOTATIONS:
        raise FieldError(
            field, f"have {size} bytes together, the most is {limits.ANNOTATIONS}", code="limit.annotations"
        )


def _key(key: str, field: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if _is_label(name) and (not slash or (len(prefix) <= _LONGEST_PREFIX and _PREFIX.fullmatch(prefix))):
        return
    raise FieldError(field, f"{show(key)} is no key", hint="write it as `team` or `example.com/team`")


def _is_label(value: str) -> bool:
    return len(value) <= limits.LABEL and _LABEL.fullmatch(value) is not None


def selector(given: str, field: str = "label_selector") -> Test:
    """Return whether labels fit a selector, all of whose terms must hold; an empty one fits all. Raises FieldError."""
    if len(given) > _LONGEST_SELECTOR:
        raise FieldError(field, f"has {len(given)} characters, the most is {_LONGEST_SELECTOR}", code="limit.text")
    terms = _COMMA.split(given) if given.strip() else []
    if len(terms) > limits.REQUEST_FIELDS:
        raise FieldError(field, f"has {len(terms)} terms, the most is {limits.REQUEST_FIELDS}", code="limit.entries")
    tests = [_test(term.strip(), field) for term in terms]
    return lambda found: all(test(found) for test in tests)


def _test(term: str, field: str) -> Test:
    key, operator, values = _parts(term, field)
    for value in values or ("",):
        labels({key: value}, field)
    if operator in ("", "!"):
        return lambda found: (key in found) != (operator == "!")
    if operator in ("!=", "notin"):  # also true where there is no such label
        return lambda found: found.get(key) not in values
    return lambda found: found.get(key) in values


def _parts(term: str, field: str) -> tuple[str, str, tuple[str, ...]]:
    """Return a term's key, operator and values."""
    if match := _SET.fullmatch(term):
        return match[1], match[2], tuple(value.strip() for value in match[3].split(","))
    if match := _EQUAL.fullmatch(term):
        return match[1], match[2], (match[3],)
    if match := _BARE.fullmatch(term):
        return match[2], match[1], ()
    raise FieldError(
        field,
        f"{show(term)} selects no labels",
        hint="for example: team=a,stage!=test,gpu,!old,tier in (x,y); all of them must hold",
    )


def environment(given: Mapping[str, str], field: str) -> None:
    """Accept variables: names without ``=`` and blanks, values without null characters; sizes as execve(2) takes."""
    count(given, field, limits.ENVIRONMENT)
    size = 0
    for name, value in given.items():
        if not name or len(name) > limits.ENVIRONMENT_NAME or "=" in name or not name.isprintable() or " " in name:
            raise FieldError(
                field,
                f"{show(name)} cannot name a variable",
                hint=f"use at most {limits.ENVIRONMENT_NAME} printable characters, no '=' and no blank",
            )
        text(value, f"{field}.{_shown(name)}", limits.ARGUMENT - len(name.encode("utf-8", "replace")) - 2)
        size += len(f"{name}={value}".encode("utf-8", "replace")) + 1
    if size > limits.COMMAND:
        raise FieldError(field, f"has {size} bytes together, the most is {limits.COMMAND}", code="limit.environment")


def argv(given: Sequence[str], field: str = "command") -> None:
    """Accept a command: a program and its arguments, of a size that execve(2) takes."""
    if not given or not given[0]:
        raise FieldError(field, "names no program", hint="the first entry is the program, the others its arguments")
    count(given, field, limits.ARGUMENTS)
    for index, argument in enumerate(given):
        text(argument, f"{field}[{index}]", limits.ARGUMENT - 1)
    size = sum(len(argument.encode("utf-8", "replace")) + 1 for argument in given)
    if size > limits.COMMAND:
        raise FieldError(field, f"has {size} bytes together, the most is {limits.COMMAND}", code="limit.command")


def path(value: str, field: str) -> None:
    """Accept an absolute path."""
    text(value, field, limits.PATH - 1)
    if not value.startswith("/"):
        raise FieldError(field, f"{show(value)} is no absolute path")


def duration(given: Duration, field: str, most: float = limits.DURATION) -> float:
    """Return a time in seconds: more than none, at most ``most``."""
    if not (-999_999_999 <= given.nanos <= 999_999_999) or given.seconds * given.nanos < 0:
        raise FieldError(field, "is no duration: its nanoseconds do not fit", code="duration.invalid")
    seconds = given.seconds + given.nanos / 1e9
    if not (math.isfinite(seconds) and 0 < seconds <= most):
        raise FieldError(
            field, f"cannot be {seconds:g} seconds", hint=f"more than 0, at most {most:g}", code="duration.invalid"
        )
    return seconds


def terminal(rows: int, columns: int) -> tuple[int, int]:
    """Return a terminal's size, 24 by 80 where none is given."""
    for value, field in ((rows, "rows"), (columns, "cols")):
        if not 0 <= value <= limits.TERMINAL:
            raise FieldError(field, f"cannot be {value}", hint=f"at most {limits.TERMINAL}; 0: the usual")
    return rows or 24, columns or 80


def port(number: int, field: str) -> None:
    """Accept a TCP port."""
    if not 0 < number < 1 << 16:
        raise FieldError(field, f"{number} is no port", hint="ports are 1 to 65535")


def page_size(size: int, field: str = "page_size") -> int:
    """Return how many entries an answer has: as many as are wanted, within bounds."""
    if size < 0:
        raise FieldError(field, f"cannot be {size}", hint=f"0: the usual {limits.PAGE_DEFAULT}; most: {limits.PAGE}")
    return min(size or limits.PAGE_DEFAULT, limits.PAGE)


def after(token: str, ids: Sequence[str], field: str = "page_token") -> int:
    """Return where the next page begins: behind the entry that the token is the id of.

    Where that was removed meanwhile: at the first later one, as ids of ours sort by time.
    """
    if not token:
        return 0
    if len(token) > limits.PAGE_TOKEN or not _TOKEN.fullmatch(token):
        raise FieldError(field, "is none of this gateway's", hint="give the token of the answer before")
    if token in ids:
        return ids.index(token) + 1
    return next((index for index, other in enumerate(ids) if other > token), len(ids))


def _shown(key: str) -> str:
    return key if key.isprintable() and len(key) <= limits.LABEL else show(key)
