"""``openshell gpu diagnose``: the causes of what an engine said, ranked, and what a person can do about each."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pyopenshell.cli import output
from pyopenshell.errors import OpenShellError

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from pyopenshell.devices.diagnosis import Cause, Surroundings
    from pyopenshell.devices.diagnosis.text import Text

SCHEMA = "pyopenshell.gpu-diagnose/1"
STDIN = "-"
NOTHING = 1
PIECE = 1 << 20
"""Bytes that are read at once."""
MOST = 1 << 30
"""Bytes of an input that has no size after which reading stops; the last ``text.LIMIT`` before count."""
OTHERWISE = ("openshell gpu lint", "openshell doctor --gpu")


def diagnose(arguments: argparse.Namespace) -> int:
    """Print the causes. Returns 0 where the text was recognised, 1 where nothing is known of it."""
    from pyopenshell.devices.diagnosis.answer import answer
    from pyopenshell.devices.diagnosis.look import look_around
    from pyopenshell.devices.diagnosis.text import LIMIT, Text

    text = Text(_input(arguments.file))
    here = look_around(arguments.cdi_spec_dirs)
    causes = answer(text, here)
    if arguments.output != "table":
        output.document(_document(text, here, causes), arguments.output)
    elif causes:
        if text.cut:
            output.line(f"The text is long: its last {LIMIT >> 20} MiB count, and lines are numbered there.")
            output.line()
        for number, cause in enumerate(causes, 1):
            _show(number, cause)
    else:
        _nothing(text, here)
    return 0 if causes else NOTHING


def _input(name: str) -> bytes:
    """Return the end of a file or of standard input. Raises OpenShellError where it cannot be read."""
    if name == STDIN and sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None:
        print("paste what the engine said, and end with Ctrl-D on a line of its own", file=sys.stderr, flush=True)
    try:
        with open(0 if name == STDIN else name, "rb", buffering=0, closefd=name != STDIN) as file:
            return _end(file)
    except (OSError, ValueError) as error:
        what = "standard input" if name == STDIN else name
        raise OpenShellError(
            f"{what}: {getattr(error, 'strerror', None) or error}",
            hint="give a file, or pipe into it what the engine said: podman run … 2>&1 | openshell gpu diagnose",
            code="gpu.diagnose.unreadable",
        ) from error


def _end(file: Any) -> bytes:
    """Return the last bytes of a file, one more than count so that it shows that there were more."""
    from pyopenshell.devices.diagnosis.text import LIMIT

    if file.seekable():
        here = file.tell()
        file.seek(max(here, file.seek(0, os.SEEK_END) - LIMIT - 1))
    kept = bytearray()
    total = 0
    while total < MOST and (piece := file.read(PIECE)):
        kept += piece
        total += len(piece)
        if len(kept) > 2 * LIMIT:
            del kept[: len(kept) - LIMIT - 1]
    return bytes(kept)


def _document(text: Text, here: Surroundings, causes: tuple[Cause, ...]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "recognised": bool(causes),
        "causes": [cause.as_dict() for cause in causes],
        "text": {"lines": text.lines, "cut": text.cut},
        "host": here.as_dict(),
    }


def _show(number: int, cause: Cause) -> None:
    output.title(f"{number}. {cause.code} ({cause.certainty})", first=number == 1)
    output.paragraph(cause.cause, indent=3)
    output.paragraph(f"Line {cause.line}: {cause.evidence}", indent=3)
    for seen in cause.seen:
        output.paragraph(f"Here: {seen}", indent=3)
    for place, step in enumerate(cause.steps, 1):
        output.paragraph(f"{place}. {step}", indent=6)
    output.paragraph(f"Said by {cause.said_by}. Source: {cause.source}", indent=3)


def _nothing(text: Text, here: Surroundings) -> None:
    """Say that nothing is known of the text, what was looked at, and how to go on."""
    from pyopenshell.devices.diagnosis.catalogue import PIECES

    if not text.plain.strip():
        output.line("Nothing to diagnose: the text is empty.")
    else:
        lines = f"{text.lines:,} line{'' if text.lines == 1 else 's'}"
        cut = ", its end," if text.cut else ""
        output.line(f"Not recognised: {lines}{cut} and none of the {len(PIECES)} failures that are known.")
    folders = ", ".join(f"{folder.path} ({folder.files} specs)" for folder in here.folders if not folder.errno)
    gpus = [device.path for device in here.devices if device.role == "gpu"]
    output.line(f"This host: CDI folders: {folders or 'none'}; GPU devices: {', '.join(gpus) or 'none'}.")
    output.line(f"To check this host by itself: {' and '.join(OTHERWISE)}")


VERBS = {"diagnose": diagnose}
