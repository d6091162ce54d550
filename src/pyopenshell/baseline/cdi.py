"""What the chosen devices need, as their CDI specs say. Pure: the host was looked at in ``devices.edits``."""

from __future__ import annotations

from pyopenshell.baseline.model import Proposal
from pyopenshell.policy.access import READ_ONLY, READ_WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyopenshell.devices.edits import Merged, Node, Shown, Whose

RIGHTS = {"r": ("read_file", "ioctl_dev"), "w": ("write_file", "ioctl_dev")}
"""What the letters of a device node's permissions allow. ``m``, making the node, is never granted."""
BIND = ("", "bind", "none")
"""The types of a mount that shows a path of the host. Others make a file system, which is not done."""


def proposals(merged: Merged) -> tuple[Proposal, ...]:
    """Return a proposal for each device node and each mount, in the specs' order."""
    return (*_nodes(merged.nodes), *_mounts(merged.mounts))


def _nodes(nodes: tuple[Node, ...]) -> Iterator[Proposal]:
    for one in nodes:
        node, letters = one.node, one.node.permissions
        given = {right for letter in letters for right in RIGHTS.get(letter, ())}
        access = tuple(right for right in ("read_file", "write_file", "ioctl_dev") if right in given)
        if node.type == "p":
            access = tuple(right for right in access if right != "ioctl_dev")
        reason = f"A device node of {one.whose.name}, with the permissions {letters}."
        problem = one.problem or (None if access else f"its permissions, {letters or 'none'}, open nothing")
        yield _proposal(one.whose, (node.path, node.host_path), access, reason, problem)


def _mounts(mounts: tuple[Shown, ...]) -> Iterator[Proposal]:
    for shown in mounts:
        mount = shown.mount
        reason = f"A mount of {shown.whose.name}, with the options {', '.join(mount.options) or 'none'}."
        problem = None
        if mount.type not in BIND:
            problem = f"a mount of type {mount.type} is not made: the sandbox shows files of the host only"
        yield _proposal(shown.whose, (mount.container_path, mount.host_path), _access(shown), reason, problem)


def _access(shown: Shown) -> tuple[str, ...]:
    """Return what a mount's options leave. A socket can be connected to, as in a container."""
    options = set(shown.mount.options)
    access = READ_WRITE if "ro" not in options else (*READ_ONLY, "resolve_unix") if shown.is_socket else READ_ONLY
    return tuple(right for right in access if right != "execute" or "noexec" not in options)


def _proposal(
    whose: Whose, paths: tuple[str, str], access: tuple[str, ...], reason: str, problem: str | None
) -> Proposal:
    """Return a proposal for (the path in the sandbox, the path on the host)."""
    path, source = paths
    return Proposal(
        whose.name,
        path,
        access,
        reason,
        kind="cdi",
        file=whose.file,
        line=whose.line or None,
        source=source if source != path else None,
        problem=problem,
    )
