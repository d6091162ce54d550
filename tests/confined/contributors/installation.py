"""An environment of Python with the command in it, and distributions that offer contributors; made without pip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.confined.landlock import harness
from tests.confined.whole import callers

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 60


class Installation:
    """A virtual environment, with a state folder and policies beside it; the working folder is another one."""

    def __init__(self, folder: Path, package: Path, workdir: Path, who: Mapping[str, Any]) -> None:
        """Make it. ``package`` is the folder that the command's package is in, ``who`` the caller's ids."""
        self.folder, self.workdir, self.who = folder, workdir, who
        venv.EnvBuilder(symlinks=True).create(folder / "venv")
        self.python = folder / "venv" / "bin" / "python"
        self.site = next((folder / "venv" / "lib").glob("python*/site-packages"))
        libraries = Path(yaml.__file__).parents[1]
        (self.site / "command.pth").write_text(f"{package}\n{libraries}\n")
        self.pass_fds: tuple[int, ...] = ()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "SECRET_TOKEN": "hush"}

    def offer(self, code: str, *names: str, distribution: str = "a-distribution", version: str = "1.0") -> Path:
        """Install a distribution of one module that offers its functions as contributors; return its metadata folder.

        Each name is that of a contributor and of the function, or ``name = function`` where they differ.
        """
        module = distribution.replace("-", "_")
        given = "from pyopenshell.contributor import Grant, Refusal, Request\nimport json, os, sys\n"
        (self.site / f"{module}.py").write_text(given + textwrap.dedent(code))
        metadata = self.site / f"{module}-{version}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        pairs = [(name.partition("=")[0].strip(), name.rpartition("=")[2].strip()) for name in names]
        points = "".join(f"{name} = {module}:{function}\n" for name, function in pairs)
        (metadata / "entry_points.txt").write_text(f"[pyopenshell.contributors]\n{points}")
        return metadata

    def policy(self, *names: str, **paths: Any) -> Path:
        """Write a policy that names these contributors, each on a line of its own from line 2 on."""
        file = self.folder / "policy.yaml"
        files = {"include_workdir": True, **{key: [*map(str, value)] for key, value in paths.items()}}
        listed = ",\n".join(f'"{name}"' for name in names)
        head = f'{{"version": 1, "filesystem_policy": {json.dumps(files)}, "runtime": {{"contributors": ['
        file.write_text(f"{head}\n{listed}]}}}}\n")
        return file

    def command(self, *words: object) -> list[str]:
        """Return the command line of the command in this environment."""
        given = [*map(str, words)]
        given[1:1] = harness.options(given) if given[:1] == ["run"] else ()
        return [str(self.python), "-I", "-m", "pyopenshell", *given]

    def openshell(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, and return what came of it, as text."""
        return subprocess.run(self.command(*words), timeout=SECONDS, check=False, **self.options)

    @property
    def options(self) -> dict[str, Any]:
        """How programs are started here."""
        streams = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "pass_fds": self.pass_fds,
        }
        return {"cwd": self.workdir, "env": self.environment, **streams, **self.who}

    def run(
        self, *names: str, command: tuple[object, ...] = ("true",), **paths: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a sandbox named ``it`` whose policy names these contributors."""
        return self.openshell("run", "--name", "it", "--policy", self.policy(*names, **paths), "--", *command)

    def refused(self, *names: str) -> dict[str, Any]:
        """Run what must fail before anything is started, and return the error, which names a line of the policy."""
        marker = self.workdir / "started"
        done = self.openshell("run", "-o", "json", "--policy", self.policy(*names), "--", "touch", marker)
        assert (125, "", False) == (done.returncode, done.stdout, marker.exists()), done.stderr
        error = dict(json.loads(done.stderr)["error"])
        assert (str(self.folder / "policy.yaml"), 2) == (error["file"], error["line"])
        assert error["hint"]
        return error

    def effective(self) -> dict[str, Any]:
        """Return the effective policy of the sandbox ``it``, as the command shows it."""
        done = self.openshell("policy", "get", "it", "--full", "-o", "json")
        assert 0 == done.returncode, done.stderr
        return dict(json.loads(done.stdout))


def goes_there(path: str | Path) -> bool:
    """Whether everybody may enter the folders above a path: root's own home is closed to whom sandboxes run as."""
    return os.getuid() != 0 or all(os.stat(folder).st_mode & 1 for folder in Path(os.path.realpath(path)).parents)


INTERPRETER = getattr(sys, "_base_executable", sys.executable)
USER = callers.USER
