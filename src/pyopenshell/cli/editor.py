"""``--editor``: a sandbox opened in an editor that speaks SSH."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from pyopenshell.errors import CommandError, UsageError

if TYPE_CHECKING:
    from pyopenshell.cli.remote import Remote

EDITORS = {"vscode": "code", "cursor": "cursor"}
"""The editors whose remote mode works through SSH, by the command that opens them."""


def check(editor: str) -> str:
    """Return the program that opens an editor. Raises UsageError, CommandError."""
    if editor not in EDITORS:
        raise UsageError(f"--editor takes {', '.join(EDITORS)}, not {editor!r}")
    program = shutil.which(EDITORS[editor])
    if program is None:
        raise CommandError(f"{EDITORS[editor]} is not found: it is what opens {editor}", hint="install it on this host")
    return program


def open_sandbox(there: Remote, editor: str, name: str) -> int:
    """Open a sandbox's working directory, by the host that ``sandbox ssh-config`` writes. Returns what it returns."""
    program = check(editor)
    meta = json.loads(there.report("GetInspection", name).inspection_json)["meta"] or {}
    folder = meta.get("workdir") or "/"
    words = [program, "--remote", f"ssh-remote+openshell-{name}", folder]
    return os.spawnv(os.P_WAIT, program, words)  # noqa: S606
