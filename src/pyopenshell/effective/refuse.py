"""What is refused before anything is launched, each with the line of the policy that is the cause."""

from __future__ import annotations

from pyopenshell.devices.host import LANDLOCK_SINCE
from pyopenshell.effective.findings import no_landlock
from pyopenshell.effective.paths import inside, normal, upward
from pyopenshell.errors import PolicyRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.request import Request


def refuse(request: Request, declared: list[Placed]) -> None:
    """Raise PolicyRefused for the first rule that the declarations break."""
    _root(request, declared)
    _contradiction(request, declared)
    _protected(request, declared)
    _planted(request, declared)
    if request.hard:
        _shortfall(request, declared)


def _refused(request: Request, item: Placed | None, code: str, message: str, hint: str) -> PolicyRefused:
    written = item.written if item else None
    return PolicyRefused(
        message,
        hint=hint,
        code=code,
        file=request.policy.source.file,
        line=(written.line or None) if written else None,
        column=(written.column or None) if written else None,
    )


def _root(request: Request, declared: list[Placed]) -> None:
    """Never let ``/`` be writable, as the working directory or through a link that leads there."""
    for item in declared:
        if item.place == "/" and item.writes:
            what = "the working directory" if item.written is None else item.label
            raise _refused(
                request,
                item,
                "policy.root-writable",
                f"{what} is the root folder, and all of it would be writable",
                "run from a project's folder" if item.written is None else "name the folders to be written",
            )


def _contradiction(request: Request, declared: list[Placed]) -> None:
    """Landlock's rules add up, so a declared read-only path inside a declared read-write one is refused.

    The working directory counts as read-write. Both the paths as written and the places they lead to are compared.
    """
    writable: dict[str, Placed] = {}
    for item in declared:
        if item.writes:
            for key in (item.place, normal(item.grant.path)):
                writable.setdefault(key, item)
    for item in declared:
        if item.writes:
            continue
        for key in (item.place, normal(item.grant.path)):
            outer = next((writable[folder] for folder in upward(key) if folder in writable), None)
            if outer is not None:
                workdir = outer.written is None
                own = workdir and request.own_folder is not None
                what = "the sandbox's own folder" if own else "the working directory"
                whole = f"{what} {outer.place}" if workdir else outer.label
                instead = (
                    "include_workdir: false and declare in read_write" if workdir else "declare as read_write only"
                )
                raise _refused(
                    request,
                    item,
                    "policy.read-only-inside-read-write",
                    f"{item.label} lies in {whole}, which is writable: Landlock's rules add up, so it would be too",
                    f"keep it outside {outer.place}" + ("" if own else f", or {instead} what is to be written"),
                )


def _planted(request: Request, declared: list[Placed]) -> None:
    """Refuse a declared path that a symbolic link in a writable grant leads elsewhere.

    An earlier run may have put the link there, and would choose what this one is granted.
    """
    writable = {item.place: item for item in declared if item.writes}
    for item in declared:
        for link in item.links:
            outer = next((writable[folder] for folder in upward(link) if folder in writable), None)
            if outer is not None and not inside(item.place, outer.place):
                raise _refused(
                    request,
                    item,
                    "policy.link-in-writable",
                    f"{item.label} leads to {item.place} through the symbolic link {link}, and the sandbox may write "
                    f"to {outer.place}: an earlier run may have made that link",
                    f"declare {item.place} itself, if that is meant; else remove the link",
                )


def _protected(request: Request, declared: list[Placed]) -> None:
    """Refuse a policy that would make the state or configuration folder writable."""
    folders = protected_places(request)
    for item in declared:
        if not item.writes:
            continue
        touched = next((found for place in item.places if (found := touches(place, folders))), None)
        if touched is not None:
            raise _refused(
                request,
                item,
                "policy.protected-folder",
                f"{item.label} would make openshell's {touched[1]} folder {touched[0]} writable",
                _narrower(request, item),
            )


def _narrower(request: Request, item: Placed) -> str:
    """Say what to do about a grant that reaches too far."""
    if item.written is not None:
        return "declare narrower folders"
    if request.own_folder is not None:
        return "keep the folders of sandboxes elsewhere ($XDG_DATA_HOME)"
    return "run from a project's folder"


def protected_places(request: Request) -> list[tuple[str, str]]:
    """Return the protected folders by their real places, each with what it is."""
    return [(request.resolve(path).place or normal(path), what) for path, what in request.protected]


def touches(place: str, folders: list[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the protected folder that encloses the place or lies in it, if there is one."""
    return next((folder for folder in folders if inside(folder[0], place) or inside(place, folder[0])), None)


def _shortfall(request: Request, declared: list[Placed]) -> None:
    """Under hard_requirement refuse whatever best_effort would forgive, all of it in one message."""
    missing = [item for item in declared if item.grant.status == "skipped"]
    reasons = [f"{item.label}: {item.grant.detail.message}" for item in missing]
    landlock = request.landlock
    remedy = "correct the paths or use a newer kernel"
    if landlock.abi == 0:
        cause, remedy = no_landlock(request.host.landlock_errno)
        reasons.append(cause)
    reasons.extend(
        f"the right {gap.right} needs Landlock ABI {gap.needs_abi} (Linux {LANDLOCK_SINCE[gap.needs_abi]}), "
        f"this kernel has {landlock.abi}"
        for gap in landlock.dropped
        if gap.covered_by is None and landlock.abi
    )
    sockets = request.isolation.get("pathname_sockets")
    if sockets is not None and sockets.state == "open":
        reasons.append("pathname Unix sockets of the host can be connected to")
    if reasons:
        raise _refused(
            request,
            missing[0] if missing else None,
            "policy.hard-requirement",
            f"hard_requirement cannot be kept on this host: {'; '.join(reasons)}",
            f"{remedy}; landlock.compatibility: best_effort goes on without them"
            + ("" if landlock.abi else ", with --unsafe-unconfined"),
        )
