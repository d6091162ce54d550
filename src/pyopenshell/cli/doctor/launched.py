"""A sandbox that is really launched: ``openshell run -- true``, with a working folder and a state folder of its own.

It is the command itself, in another process with a time limit, so that whatever is wrong with it cannot take the
doctor along; nothing of it stays, the run's record neither.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import pyopenshell
from pyopenshell.record import Record

COMMAND = os.path.join(os.path.dirname(os.path.abspath(pyopenshell.__file__)), "__main__.py")
"""The file that is the command."""
TRUE = ("/usr/bin/true", "/bin/true")
"""Where ``true`` is; elsewhere (NixOS), PATH is searched."""
LIBRARIES = "LD_LIBRARY_PATH"
SECONDS = 60
"""How long it may take. A driver that has to start its GPUs takes seconds."""


class Launched(Record):
    """What came of it: the command's exit code, its own error as documented, the run's effective policy.

    ``untried`` says why nothing could be started here, and is empty where something was.
    """

    code: int
    error: dict[str, Any] | None = None
    effective: dict[str, Any] | None = None
    seconds: float = 0.0
    untried: str = ""

    @property
    def why(self) -> str:
        """What failed, in words."""
        if self.error is None:
            return f"it ended with exit code {self.code}"
        return f"{self.error.get('message')} [{self.error.get('code')}]"


def launch(*options: str, owner: tuple[int, int] | None = None) -> Launched:
    """Run ``true`` in a sandbox of the built-in default policy.

    ``owner`` gets the working folder (root's privilege): whoever owns it is whom root's sandboxes run as. A run that
    takes too long is ended.
    """
    import time

    folder = _folder()
    if folder is None:
        return Launched(125, untried="no temporary folder can be made")
    try:
        os.chmod(folder, 0o755)  # noqa: S103 - root's sandboxes have another user, who is to reach the working folder
        workdir = os.path.join(folder, "work")
        os.mkdir(workdir, 0o755)
        if owner is not None:
            os.chown(workdir, *owner)
        variables = {**os.environ, "XDG_STATE_HOME": os.path.join(folder, "state")}
        variables.pop("OPENSHELL_DEBUG", None)  # a traceback is no error in the documented shape
        own = [sys.executable, *(["-I"] if sys.flags.isolated else []), COMMAND]
        start = time.monotonic()
        done = subprocess.run(
            [*own, "run", "-q", "-o", "json", *options, "--", _true()],
            cwd=workdir,
            env=variables,
            input=b"",  # pipes, and no /dev/null: a host may be without
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        return Launched(done.returncode, _error(done.stderr), _effective(folder), time.monotonic() - start)
    except subprocess.TimeoutExpired:
        return Launched(124, {"code": "timeout", "message": f"there was no answer in {SECONDS} seconds", "hint": None})
    except OSError as error:
        return Launched(125, untried=f"{error.filename}: {error.strerror}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def shown(effective: dict[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what a sandbox was shown of CDI mounts, the host's path by its own, and its LD_LIBRARY_PATH's folders."""
    mounts = {
        str(grant.get("path")): str(grant.get("source") or grant.get("path"))
        for grant in effective.get("grants") or []
        if (grant.get("origin") or {}).get("kind") == "cdi" and grant.get("status") in ("enforced", "covered")
    }
    variables = (effective.get("devices") or {}).get("env") or []
    paths = [one.get("value") for one in variables if one.get("name") == LIBRARIES and one.get("status") == "set"]
    return mounts, tuple(folder for path in paths for folder in str(path).split(":") if folder.startswith("/"))


def _true() -> str:
    """Return the program by its path: what PATH leads to is another matter than whether a sandbox works."""
    return next((path for path in TRUE if os.access(path, os.X_OK)), shutil.which("true") or "true")


def _folder() -> str | None:
    """Make a folder that the sandbox's user can reach: root's own temporary folder may be closed to others."""
    from pyopenshell.cli.doctor.process import closed_to_others

    for place in (None,) if os.geteuid() else ("/tmp", "/var/tmp", None):  # noqa: S108 - as mkdtemp makes it
        try:
            folder = tempfile.mkdtemp(prefix="openshell-doctor-", dir=place)
            if os.geteuid() == 0 and closed_to_others(os.path.dirname(folder)):
                os.rmdir(folder)
                continue
        except OSError:
            continue
        return folder
    return None


def _error(text: bytes) -> dict[str, Any] | None:
    """Return the error that stands on stderr, None where there is none; other words become one."""
    words = text.decode("utf-8", "replace").strip()
    if not words:
        return None
    try:
        error = json.loads(words)["error"]
    except (ValueError, KeyError, TypeError):
        return {"code": "unknown", "message": words.splitlines()[-1], "hint": None}
    return error if isinstance(error, dict) else None


def _effective(folder: str) -> dict[str, Any] | None:
    """Return the effective policy of the only run in this state folder."""
    runs = os.path.join(folder, "state", "openshell", "runs")
    try:
        (run,) = os.listdir(runs)
        with open(os.path.join(runs, run, "effective.json"), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
