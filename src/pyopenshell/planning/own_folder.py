"""A sandbox's own folder: made for it alone, outside, and what it works in and calls home, inside."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.paths import SANDBOX, inside, normal
from pyopenshell.effective.request import Resolved
from pyopenshell.effective.resolve import resolver
from pyopenshell.errors import UsageError
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class OwnFolder(Record):
    """``host`` is its real path, ``place`` where the sandbox sees it: the same, where nothing can be mounted."""

    host: str
    place: str

    @property
    def is_shown(self) -> bool:
        """Whether it is shown in its place, as in OpenShell's containers."""
        return self.place == SANDBOX

    def on_host(self, path: str) -> str:
        """Return the host's path of what the sandbox has at a path."""
        return self.host + path[len(self.place) :] if inside(path, self.place) else path

    def in_view(self, path: str) -> str:
        """Return the path at which the sandbox has what the host has at a path."""
        return self.place + path[len(self.host) :] if inside(path, self.host) else path

    def resolver(self, operator: int) -> Callable[[str], Resolved]:
        """Return what resolves paths for the user id ``operator``, as they lead in the sandbox.

        Where the folder cannot be shown, there is nothing at its place: what the host has there is not the sandbox's.
        """
        resolve = resolver(operator, self.on_host)

        def as_shown(path: str) -> Resolved:
            place = normal(path)
            if self.place != SANDBOX and inside(place, SANDBOX) and not inside(place, self.host):
                return Resolved(None, errno.ENOENT, place=place)
            return resolve(path)

        return as_shown


def find(given: str, *, mount_namespace: bool) -> OwnFolder:
    """Return the folder, and where it will be seen. Raises UsageError where there is none."""
    host = os.path.realpath(given)
    if not os.path.isdir(host) or host == "/":
        raise UsageError(f"the sandbox's own folder {given} is not a folder", hint="it is made before the launch")
    free = os.path.isdir(SANDBOX) and not os.path.islink(SANDBOX) and not inside(host, SANDBOX)
    return OwnFolder(host, SANDBOX if mount_namespace and free else host)
