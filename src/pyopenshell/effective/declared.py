"""What the operator asked for: the declared paths and the working directory. Never rewritten, never merged."""

from __future__ import annotations

import errno
import os

from pyopenshell.effective.model import Detail, Finding, Grant, Origin, grant_id
from pyopenshell.effective.paths import SANDBOX, inside, normal
from pyopenshell.errors import PolicyRefused
from pyopenshell.policy.access import READ_ONLY, READ_WRITE
from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.request import Request, Resolved
    from pyopenshell.policy.model import DeclaredPath

WRITING = frozenset(READ_WRITE) - frozenset(READ_ONLY) - {"resolve_unix"}
"""The rights that change something on disk."""
NOTHING = Detail()
OWN_FOLDER = (
    "The sandbox's own folder, its working directory and home: made for it alone, so it is granted whatever "
    "include_workdir says."
)
KERNEL_FILES = ("/proc", "/sys")
"""Where nothing is ever created."""


class Placed(Record):
    """A grant and where it takes effect: ``place`` is its real path, where it would be, or as written.

    ``written`` is the declaration behind it, if there is one; ``links`` the symbolic links that lead there.
    """

    grant: Grant
    place: str
    is_dir: bool
    written: DeclaredPath | None = None
    private: bool = False
    links: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether any of the rights changes something on disk."""
        return not WRITING.isdisjoint(self.grant.access)

    @property
    def places(self) -> tuple[str, ...]:
        """Where it takes effect: its place, and what of the host is shown there."""
        return (self.place, self.grant.source) if self.grant.source else (self.place,)

    @property
    def label(self) -> str:
        """Say what it is and where it stands: ``/data (read_only, policy.yaml:7)``."""
        origin = self.grant.origin
        if self.written is None:
            return f"{self.grant.path} ({origin})"
        line = f"{origin.file or 'policy'}:{origin.line}" if origin.line else origin.file or "the built-in policy"
        return f"{self.grant.path} ({origin.name}, {line})"


def declared(request: Request) -> tuple[list[Placed], list[Finding]]:
    """Give every declared path a grant of its own; the working directory too, where the policy includes it.

    A folder that was made for the sandbox is the working directory whether the policy includes that or not.

    "What the operator declared is never rewritten." Missing paths are ``skipped`` with a finding each; a missing
    read-write folder whose parent exists stays ``planned``, to be created.
    """
    placed: list[Placed] = []
    findings: list[Finding] = []
    used: set[str] = set()
    filesystem = request.policy.filesystem
    for word, paths, access in (
        ("read_only", filesystem.read_only, READ_ONLY),
        ("read_write", filesystem.read_write, READ_WRITE),
    ):
        for path in paths:
            item, found = _declared(request, word, path, access, used)
            placed.append(item)
            findings.extend(found)
    if filesystem.include_workdir or request.own_folder:
        placed.append(_workdir(request))
    if request.own_folder and request.own_folder == request.workdir:
        findings.append(_elsewhere(request))
    return placed, findings


def _declared(
    request: Request, word: str, path: DeclaredPath, access: tuple[str, ...], used: set[str]
) -> tuple[Placed, list[Finding]]:
    """Make the grant of one declared path."""
    where = request.resolve(path.path)
    place = where.place or normal(path.path)
    origin = Origin("declared", word, request.policy.source.file, path.line or None)
    status, detail, found = _status(word, where, place, path)
    if word == "read_write" and where.is_device:
        access = (*access, "ioctl_dev")  # "ioctl_dev only for devices"
    identifier = unused(grant_id(origin, path.path), used)
    reason = f"Declared {word} by the operator."
    grant = Grant(identifier, path.path, where.real, access, origin, reason, status=status, detail=detail)
    if where.real is not None and where.links_by_others and where.real != normal(path.path):
        found = Finding(
            "declared.foreign-link",
            "Medium",
            f"{path.path} leads to {where.real} through a symbolic link that belongs neither to root nor to you; "
            "whoever owns the link chooses what is granted",
            f"declare {where.real} itself",
        )
    will_be_folder = status == "planned" and where.real is None
    item = Placed(grant, place, where.is_dir or will_be_folder, path, links=where.links)
    return item, [found.replace(grant=identifier)] if found else []


def _status(word: str, where: Resolved, place: str, path: DeclaredPath) -> tuple[str, Detail, Finding | None]:
    """Say what becomes of a declared path: "Declared ones are skipped loudly under best_effort"."""
    if where.errno == 0:
        return "planned", NOTHING, None
    kernels = any(inside(place, folder) for folder in KERNEL_FILES)
    if word == "read_write" and where.creatable and not kernels:
        return "planned", Detail(message="will be created"), None
    why = os.strerror(where.errno)
    hint = "correct the path, or take it out of the policy"
    if where.errno == errno.ENOENT and word == "read_write":
        hint = "create it before the launch; only a missing last folder is made, never through a symbolic link"
    message = f"{path.path} is declared {word} and cannot be granted: {why}"
    return "skipped", Detail(where.errno, message=why), Finding("declared.missing", "Medium", message, hint)


def _elsewhere(request: Request) -> Finding:
    """Report an own folder that is not where programs and policies look for it."""
    has_view = request.isolation["mount"].state != "open"
    why = f"the host has no folder {SANDBOX} to show it on" if has_view else "there is no mount namespace"
    hint = f"make the folder {SANDBOX}, as root: it stays empty" if has_view else None
    text = f"the sandbox's own folder is {request.workdir}, and nothing is at {SANDBOX}: {why}"
    return Finding("own-folder.elsewhere", "Low", text, hint, grant_id(Origin("workdir"), request.workdir))


def _workdir(request: Request) -> Placed:
    """Grant the working directory: "where included, is read_write"."""
    where = request.resolve(request.workdir)
    if where.real is None:
        raise PolicyRefused(
            f"the working directory {request.workdir} cannot be granted: {os.strerror(where.errno)}",
            hint="run from a folder that exists and can be entered",
            code="policy.workdir",
        )
    origin = Origin("workdir")
    own = request.own_folder
    reason = OWN_FOLDER if own else "The working directory, which the policy includes."
    grant = Grant(
        grant_id(origin, request.workdir),
        request.workdir,
        where.real,
        READ_WRITE,
        origin,
        reason,
        source=own if own != request.workdir else None,
    )
    return Placed(grant, where.real, where.is_dir)


def unused(identifier: str, used: set[str]) -> str:
    """Return the identifier, numbered where the same origin names the same path again; remember it."""
    result, count = identifier, 1
    while result in used:
        count += 1
        result = f"{identifier}#{count}"
    used.add(result)
    return result
