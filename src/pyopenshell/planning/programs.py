"""Which file the command is, and what it and other programs that are to be run need besides."""

from __future__ import annotations

import os

from pyopenshell.baseline import command as baseline
from pyopenshell.baseline.model import Proposal
from pyopenshell.errors import CommandError
from pyopenshell.launch import command, places
from pyopenshell.policy.access import READ_ONLY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.planning.ground import Ground


class Programs:
    """Finds programs as the sandbox will: what lies in its own folder is looked at where the host has that."""

    def __init__(self, ground: Ground, can_execute: command.Access) -> None:
        """Take PATH and working directory from what is known."""
        self._ground = ground
        self._path = ":".join([ground.on_host(folder) for folder in ground.environment["PATH"].split(":")])
        self._workdir = ground.on_host(ground.workdir)
        self._can_execute = can_execute
        self._homes = (ground.identity.home, os.environ.get("HOME") or ground.identity.home)

    def locate(self, program: str) -> str:
        """Return the host's path of a program. Raises CommandError, which speaks of the sandbox's paths."""
        try:
            return command.locate(self._ground.on_host(program), self._path, self._workdir, self._can_execute)
        except CommandError as error:
            own = self._ground.own
            if own:
                error.message = error.message.replace(own.host, own.place)
                error.hint = error.hint and error.hint.replace(own.host, own.place)
                error.args = (error.message,)
            raise

    def find(self, program: str) -> str | None:
        """Return the same, or None."""
        try:
            return self.locate(program)
        except CommandError:
            return None

    def needs(self, file: str) -> tuple[Proposal, ...]:
        """Return what a program needs, by the paths at which the sandbox sees that."""
        found, own = baseline.proposals(file, self.find, self._homes), self._ground.own
        if own is None:
            return found
        told = [one.reason.replace(own.host, own.place) for one in found]
        return tuple(
            one.replace(path=own.in_view(one.path), reason=reason) for one, reason in zip(found, told, strict=True)
        )


def find(ground: Ground, can_execute: command.Access) -> tuple[str, tuple[Proposal, ...]]:
    """Return the command's file, nothing where there is none yet, and what it and the other programs need besides.

    Raises CommandError.
    """
    programs = Programs(ground, can_execute)
    named = [found for program in ground.request.programs if (found := programs.find(program))]
    needed = dict.fromkeys(one for file in named for one in programs.needs(file))
    if not ground.request.command:
        return "", tuple(needed)
    try:
        executable = programs.locate(ground.request.command[0])
    except CommandError:
        shown = _brought(ground, ground.environment["PATH"])
        if shown is None:
            raise
        return shown, tuple(needed)  # its spec says what it needs
    needed |= dict.fromkeys(programs.needs(executable))
    if places.is_own_command(executable):
        # openshell in a sandbox of its own (gpu probe): its package may lie elsewhere than its environment. Python
        # finds it by listing the folder that holds it.
        own = "openshell's own code, which this command is made of."
        needed[Proposal("command", os.path.dirname(places.own_code()[0]), READ_ONLY, own)] = None
    return ground.in_view(executable), tuple(needed)


def _brought(ground: Ground, path: str) -> str | None:
    """Return the command where a device brings it and the host has none: ``nvidia-smi`` of a driver in a container."""
    name = ground.request.command[0]
    candidates = (name,) if "/" in name else tuple(f"{folder}/{name}" for folder in path.split(":") if folder)
    brought = {one.mount.container_path: one.mount for one in ground.chosen.merged.mounts} if ground.chosen else {}
    return next(
        (
            place
            for place in candidates
            if place in brought and not os.path.lexists(place) and os.access(brought[place].host_path, os.X_OK)
        ),
        None,
    )
