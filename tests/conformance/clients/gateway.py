"""A gateway of this checkout, as an operator starts one, with configuration and state of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.conformance.clients.environments import CHECKOUT, ENVIRONMENTS, OURS, Environment

SCRIPTS = Path(__file__).parent / "scripts"
SECONDS = 120
"""How long a client may take before its test fails."""
START_SECONDS = 30


class Gateway:
    """A gateway in a folder of its own, that runs from entering to leaving. ``folder`` is one that others can enter.

    ``around`` is a command that starts it; ``settings`` are options of subprocess for all that is started here, such as
    whose processes they are: the folder is theirs.
    """

    def __init__(self, folder: Path, *options: str, around: tuple[str, ...] = (), **settings: Any) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.options = options
        self.around = around
        self.settings = settings
        homes = {f"XDG_{name.upper()}_HOME": str(folder / name) for name in ("config", "state", "data", "cache")}
        self.environment = {**os.environ, **homes, "HOME": str(folder)}
        self.environment["PATH"] = f"{self.programs}:{self.environment['PATH']}"
        self.environment.pop("OPENSHELL_GATEWAY", None)

    def __enter__(self) -> Gateway:
        self._provide_command()
        self._start()
        return self

    def crash(self) -> None:
        """End it without mercy, and start another on the same folders."""
        self.process.kill()
        self.process.wait()
        self._start()

    def _start(self) -> None:
        command = [*self.around, "openshell", "gateway", "start", "--port", "0", *self.options]
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": "/"}
        settings |= {"env": self.environment, **self.settings}
        with (self.folder / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, **settings)
        end = time.monotonic() + START_SECONDS
        while self.run("status").returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the gateway does not answer:\n{self.log}")
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self.run("sandbox", "delete", "--all")
        self.process.terminate()
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "gateway.log").read_text(errors="replace")

    def run(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the command against this gateway, without a terminal, to its end."""
        return self.spawn(["openshell", *arguments], **options)

    def spawn(self, command: list[object], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program beside this gateway, to its end."""
        settings: dict[str, Any] = {"env": self.environment, "cwd": "/", "timeout": SECONDS, "check": False}
        settings |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        if "input" not in options:
            settings["stdin"] = subprocess.DEVNULL
        return subprocess.run([*map(str, command)], **(settings | self.settings | options))

    def client(self, environment: Environment, script: str, **given: Any) -> dict[str, dict[str, Any]]:
        """Run a client's script in its own environment; return what came of each of its checks."""
        argv: list[object] = [*environment.argv(SCRIPTS / script, json.dumps(given, default=str))]
        done = self.spawn(argv, env=self._environment_for(environment))
        assert done.stdout, f"{done.stderr}\n{self.log}"
        told: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
        return told

    def _environment_for(self, environment: Environment) -> dict[str, str]:
        """Return what a client is started with: where Python comes in two versions, ours must not reach it."""
        chosen = {name: value for name, value in self.environment.items() if not name.startswith("PYTHON")}
        if environment.newer:
            chosen["PATH"] = f"{self.programs}/newer:/usr/bin:/bin"
        return chosen

    def _provide_command(self) -> None:
        """Write the programs by which clients call the command: with our Python, and with the newer Debian's."""
        newer = f"PYTHONPATH={CHECKOUT}/src exec {ENVIRONMENTS[OURS].folder}/bin/python -m pyopenshell"
        ours = f"PYTHONPATH={CHECKOUT}/src exec {sys.executable} -m pyopenshell"
        for place, program in ((self.programs, ours), (self.programs / "newer", newer)):
            place.mkdir()
            (place / "openshell").write_text(f'#!/bin/sh\n{program} "$@"\n')
            (place / "openshell").chmod(0o755)
