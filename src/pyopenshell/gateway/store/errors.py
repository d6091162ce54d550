"""What can be wrong with a request to the store, when nothing is wrong with the store itself."""

from __future__ import annotations

from pyopenshell.errors import OpenShellError


class NotKept(OpenShellError):
    """The store has no such thing. ``code`` says which: provider.unknown, for one."""

    code = "store.unknown"
    exit_code = 3


class Conflict(OpenShellError):
    """It was changed since it was read: ``resource_version`` is not the expected one."""

    code = "store.conflict"


class StillUsed(OpenShellError):
    """It cannot be removed, for something else is in it or needs it."""

    code = "store.in-use"
