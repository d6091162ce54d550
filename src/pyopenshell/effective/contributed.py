"""What third parties ask for, held against the operator's word: they are granted less than a baseline would be. Pure.

A contributor's answer was checked for its shape already (``baseline.contributor``). Here its paths are placed on this
host: nothing of it touches what is declared read-only, what is a device's or the kernel's, or what the sandbox has of
its own. Whatever is dropped is listed all the same, with a finding that says why.
"""

from __future__ import annotations

from pyopenshell.effective.aliases import SAME, WITHIN, Aliases
from pyopenshell.effective.model import Contributor, Finding
from pyopenshell.effective.paths import MOUNT_POINTS, inside, upward
from pyopenshell.effective.refuse import protected_places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyopenshell.baseline.contributor import Contribution
    from pyopenshell.effective.declared import Placed
    from pyopenshell.effective.layers import Candidate
    from pyopenshell.effective.request import Request

DEVICES = "/dev"
"""Nothing in it is a contributor's to give: who may open a device may control it, and a device is asked for by name."""
KERNELS = ("/proc", "/sys")
"""Never writable on a third party's word."""
OWN = "/run/openshell"
"""What the sandbox has of its own."""


def contributors(contributions: tuple[Contribution, ...]) -> tuple[Contributor, ...]:
    """Return who contributed, as it is reported."""
    return tuple(
        Contributor(one.name, one.distribution, one.version, one.entry_point, one.file, one.line)
        for one in contributions
    )


def check(request: Request, candidates: list[Candidate], declared: list[Placed]) -> list[Finding]:
    """Skip what a contributor must not give; return a finding for each such path. What is missing needs no word."""
    ours = [one for one in candidates if one.proposal.kind == "contributor" and one.status == "planned"]
    writable = {item.place: item.label for item in declared if item.writes and item.grant.status == "planned"}
    writable |= {one.place: f"{one.proposal.path} (contributor/{one.proposal.name})" for one in ours if one.writes}
    read_only = [item for item in declared if not item.writes]
    protected = protected_places(request)
    aliases = request.aliases or Aliases(b"", lambda _path: None)
    findings = []
    for one in ours:
        found = (
            _device(one)
            or _own(one)
            or (_against_read_only(one, read_only, aliases) if one.writes else None)
            or (_protected(one, protected, aliases) if one.writes else None)
            or _planted(one, writable)
        )
        if found:
            code, why, hint = found
            one.skip(why)
            asked = "write to" if one.writes else "read"
            text = f"contributor/{one.proposal.name} may not {asked} {one.proposal.path}: {why}"
            findings.append(Finding(f"contributor.{code}", "Medium", text, hint, one.id))
    return findings


def _device(one: Candidate) -> tuple[str, str, str] | None:
    """Give files and folders only: behind a device, a socket and the kernel's files there is more than a path."""
    if one.is_device or inside(one.place, DEVICES):
        hint = "ask for a device with --gpu or --device, or declare it yourself"
        return "device", f"{one.place} is a device, or holds devices", hint
    if one.is_socket:
        return "socket", f"{one.place} is a socket of a program outside", "declare it yourself, if that is meant"
    if one.writes and any(inside(one.place, folder) for folder in KERNELS):
        return "kernel-files", f"{one.place} is the kernel's own", "declare it yourself, if that is meant"
    return None


def _own(one: Candidate) -> tuple[str, str, str] | None:
    """Keep private what is private: a mount point of the sandbox's own would show the host's again."""
    if one.place in MOUNT_POINTS or inside(one.place, OWN):
        return "private", f"a sandbox has its own {one.place}, not the host's", "declare it yourself, if that is meant"
    return None


def _against_read_only(one: Candidate, read_only: list[Placed], aliases: Aliases) -> tuple[str, str, str] | None:
    """Let no right to write meet a declared read-only path, be it the same, around it or in it, under any name."""
    for item in read_only:
        relation = aliases.relation(one.place, item.place)
        plain = inside(one.place, item.place) or inside(item.place, one.place)
        name = item.label if plain else f"another name of {item.label}"
        if relation == SAME:
            return "read-only", f"{name} stays read-only", f"declare {one.proposal.path} in read_write yourself"
        if relation == WITHIN:
            hint = f"declare {item.grant.path} otherwise: whoever may write in it could change what it protects"
            return "in-read-only", f"it lies in {name}, which stays read-only", hint
        if relation:
            hint = f"move {item.grant.path} out of {one.proposal.path}, or remove it from read_only"
            return "around-read-only", f"it encloses {name}, which stays read-only", hint
    return None


def _protected(one: Candidate, folders: list[tuple[str, str]], aliases: Aliases) -> tuple[str, str, str] | None:
    """Let nothing of openshell's own become writable: its state, its configuration, as root its program."""
    touched = next((folder for folder in folders if aliases.relation(one.place, folder[0])), None)
    if touched is None:
        return None
    hint = "keep the state and configuration folders elsewhere ($XDG_STATE_HOME, $XDG_CONFIG_HOME)"
    return "protected-folder", f"it would make openshell's {touched[1]} folder {touched[0]} writable", hint


def _planted(one: Candidate, writable: dict[str, str]) -> tuple[str, str, str] | None:
    """Follow no link that an earlier run may have left where it could write, or that is a stranger's: it chooses."""
    for link in one.links:
        outer = next((writable[folder] for folder in upward(link) if folder in writable), None)
        if outer is not None and not any(inside(one.place, folder) for folder in upward(link) if folder in writable):
            why = f"the symbolic link {link} leads to {one.place}, and the sandbox may write to {outer}"
            return "link", why, f"declare {one.place} yourself, if that is meant; else remove the link"
    if one.links_by_others and one.links:
        why = f"a symbolic link on the way to {one.place} belongs neither to root nor to you"
        return "link", why, f"declare {one.place} yourself, if that is meant"
    return None
