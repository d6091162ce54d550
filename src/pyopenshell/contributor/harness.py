"""The process in which one contributor is looked up, imported and called. ``launch.contributing`` starts this file.

The request is JSON on standard input; the answers are two lines of JSON on descriptor 3: what is installed under the
name, told before anything of it is imported, then what the contributor says. What it prints goes elsewhere.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint

    from pyopenshell.contributor import Request

    Tell = Callable[[dict[str, Any]], None]

ANSWER = 3
"""The descriptor for answers."""
LONGEST = 500
"""Characters of an exception's message that are told."""


def main(arguments: list[str]) -> None:
    """Answer one request, or with ``look`` only say what is installed."""
    import json

    from pyopenshell.baseline.answer import SCHEMA

    with open(0, "rb", closefd=False) as stdin:
        asked = json.load(stdin)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.set_inheritable(ANSWER, False)

    def tell(words: dict[str, Any]) -> None:
        data = memoryview(json.dumps({"schema": SCHEMA, **words}).encode() + b"\n")
        while data:
            data = data[os.write(ANSWER, data) :]

    found = _look(asked["name"], tell)
    if len(found) == 1 and arguments != ["look"]:
        tell(_ask(found[0], asked))


def _look(name: str, tell: Tell) -> list[EntryPoint]:
    """Tell what the installed distributions offer under a name; return it. Nothing of theirs is imported."""
    from importlib import metadata

    from pyopenshell.baseline.answer import GROUP

    offered = metadata.entry_points(group=GROUP)
    found = [point for point in offered if point.name == name]
    tell(
        {
            "found": [
                {
                    "distribution": point.dist.name if point.dist else "an unnamed distribution",
                    "version": point.dist.version if point.dist else "unknown",
                    "entry_point": point.value,
                }
                for point in found
            ],
            "names": [] if found else sorted({point.name for point in offered}),
            "unreadable": [] if found else list(_unreadable()),
        }
    )
    return found


def _unreadable() -> Iterator[str]:
    """Yield places where distributions may be installed that this identity cannot look into."""
    for folder in sys.path:
        try:
            names = os.listdir(folder)
        except PermissionError:
            yield folder
            continue
        except OSError:  # a zip file, or nothing at all
            continue
        for name in names:
            path = f"{folder}/{name}"
            if name.endswith(".dist-info") and not os.access(path, os.R_OK | os.X_OK):
                yield path


def _ask(point: EntryPoint, asked: dict[str, Any]) -> dict[str, Any]:
    """Import the contributor, call it, and return what it says, or how that failed."""
    from pyopenshell.contributor import Refusal

    doing = "imported"
    try:
        contribute = point.load()
        doing = "called"
        if not callable(contribute):
            return {"nonsense": f"{point.value} is {_kind(contribute)}, not a function"}
        return _plain(contribute(_request(asked)))
    except Refusal as refusal:
        return {"refusal": str(refusal)[:LONGEST]}
    except BaseException as error:  # SystemExit too: whatever ends it, the operator is told
        import traceback

        traceback.print_exc()
        told = ": ".join(part for part in (type(error).__name__, " ".join(str(error).split())[:LONGEST]) if part)
        return {"crash": {"doing": doing, "what": told, "where": _where(error)}}


def _request(asked: dict[str, Any]) -> Request:
    from pyopenshell.contributor import Identity, Request

    identity = asked["identity"]
    return Request(
        name=asked["name"],
        command=tuple(asked["command"]),
        workdir=asked["workdir"],
        identity=Identity(**{**identity, "groups": tuple(identity["groups"])}),
        gpu=asked["gpu"],
        devices=tuple(asked["devices"]),
        architecture=asked["architecture"],
        policy=asked["policy"],
    )


def _plain(answer: Any) -> dict[str, Any]:
    """Return what a contributor returned as plain data, or say what is wrong with it. Never more than is read."""
    from itertools import islice

    from pyopenshell.baseline.contributor import MOST_GRANTS
    from pyopenshell.contributor import Grant

    try:
        several = iter(answer)
    except TypeError:
        return {"nonsense": f"it returned {_kind(answer)}, not grants"}
    grants = []
    for one in islice(several, MOST_GRANTS + 1):
        if not isinstance(one, Grant):
            return {"nonsense": f"among its grants is {_kind(one)}, not a Grant"}
        try:
            path = os.fspath(one.path)
        except TypeError:
            return {"nonsense": f"the path of a grant is {_kind(one.path)}"}
        said: dict[str, object] = {"path": path, "access": one.access, "reason": one.reason}
        for what, value in said.items():
            if not isinstance(value, str):
                return {"nonsense": f"the {what} of a grant is {_kind(value)}, not text"}
        grants.append(said)
    return {"grants": grants}


def _kind(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def _where(error: BaseException) -> str:
    """Return file and line where an exception was raised; nothing where that is not the contributor's own code."""
    import traceback

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    frames = [frame for frame in frames if not frame.filename.startswith("<") and "/importlib/" not in frame.filename]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _find_own_package() -> None:
    """Make the package that this file belongs to the one that is imported.

    What is installed beside it is found as well: the interpreter is isolated, and does not look everywhere by itself.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = os.path.dirname(package)
    if folder not in sys.path:
        import importlib.util

        known = importlib.util.find_spec("pyopenshell")
        if known is None:
            sys.path.append(folder)
        elif os.path.dirname(known.origin or "") != package:
            sys.path.insert(0, folder)


if __name__ == "__main__":
    _find_own_package()
    main(sys.argv[1:])
    os._exit(0)  # threads that the contributor left behind are nobody's to wait for
