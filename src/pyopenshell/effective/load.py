"""An effective policy read back from its documented JSON shape (docs/design.md, section 7)."""

from __future__ import annotations

from pyopenshell.effective.model import (
    SCHEMA,
    Contributor,
    Detail,
    Dropped,
    Effective,
    Finding,
    Grant,
    Identity,
    Isolation,
    KernelLog,
    LandlockReport,
    Network,
    NetworkEntry,
    Origin,
    SeccompReport,
)
from pyopenshell.errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pyopenshell.effective.devices import Devices
    from pyopenshell.effective.limits import Limit


def from_dict(data: Mapping[str, Any]) -> Effective:
    """Return the effective policy that ``Effective.as_dict`` wrote; of the identity, what the shape holds.

    Raises StateError when the shape is not the documented one, or the digest is not the plan's: then what is stored
    is not what was enforced.
    """
    try:
        if data["schema"] != SCHEMA:
            raise _unusable(f"its schema is {data['schema']}, not {SCHEMA}")
        effective = _effective(data)
        if effective.digest != data["digest"]:
            raise _unusable("its digest does not fit what it says")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unusable(f"it is not of the documented shape ({type(error).__name__}: {error})") from error
    return effective


def _unusable(why: str) -> StateError:
    return StateError(
        f"the stored effective policy cannot be trusted: {why}",
        hint="the run's record was changed or damaged after it was written",
        code="state.effective",
    )


def _effective(data: Mapping[str, Any]) -> Effective:
    sandbox, source, landlock, network = data["sandbox"], data["source"], data["landlock"], data["network"]
    identity = data["identity"]
    return Effective(
        name=sandbox["name"],
        run_id=sandbox["run_id"],
        state=sandbox["state"],
        declared=data["declared"],
        file=source["file"],
        source_sha256=source["sha256"],
        identity=Identity(identity["uid"], identity["gid"], tuple(identity["groups"]), identity["source"]),
        grants=tuple(_grant(grant) for grant in data["grants"]),
        network=Network(
            network["mode"], network["mechanism"], tuple(NetworkEntry(**entry) for entry in network["entries"])
        ),
        isolation={kind: Isolation(**entry) for kind, entry in data["isolation"].items()},
        landlock=LandlockReport(
            landlock["compatibility"],
            landlock["abi"],
            tuple(landlock["handled"]),
            tuple(Dropped(**gap) for gap in landlock["dropped"]),
            _log(**landlock["log"]) if "log" in landlock else None,
        ),
        seccomp=_seccomp(**data["seccomp"]),
        findings=tuple(Finding(**finding) for finding in data["findings"]),
        devices=_devices(data["devices"]) if "devices" in data else None,
        contributors=tuple(Contributor(**one) for one in data.get("contributors", ())),
        limits=_limits(data["limits"]) if "limits" in data else (),
    )


def _limits(data: Iterable[dict[str, Any]]) -> tuple[Limit, ...]:
    from pyopenshell.effective.limits import Limit

    return tuple(Limit(**one) for one in data)


def _devices(data: dict[str, Any]) -> Devices:
    from pyopenshell.effective.devices import Devices

    return Devices.from_dict(data)


def _log(state: str, flags: Iterable[str], quiet: Iterable[str]) -> KernelLog:
    return KernelLog(state, tuple(flags), tuple(quiet))


def _seccomp(sha256: str, count: int, rows: Iterable[dict[str, str]] | None = None) -> SeccompReport:
    return SeccompReport(sha256, count, None if rows is None else tuple(rows))


def _grant(data: Mapping[str, Any]) -> Grant:
    return Grant(
        **{
            **data,
            "access": tuple(data["access"]),
            "actual": tuple(data["actual"]),
            "origin": Origin(**data["origin"]),
            "detail": Detail(**data["detail"]),
        }
    )
