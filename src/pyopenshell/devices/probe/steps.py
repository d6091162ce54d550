"""The steps with the driver library itself: load it, start it, ask it for its devices. Each in a child of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pyopenshell.devices.probe import apart, library
from pyopenshell.kernel import cuda
from pyopenshell.record import Record

if TYPE_CHECKING:
    from pyopenshell.devices.probe.apart import Ended, Tell

OK, FAILED, NOT_TRIED = "ok", "failed", "not tried"
NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE."""
HIDING = "CUDA_VISIBLE_DEVICES"
FOUND = ["name", "path", "tried", "library_version", "module_version"]
"""What loading the library finds."""


class Step(Record):
    """One step and what came of it.

    ``status`` is ``ok``, ``failed`` or ``not tried``, with why in ``message``; ``code`` and ``error`` are CUDA's
    number and name where a call answered otherwise than with 0; ``found`` is what the step found, for programs.
    """

    name: str
    status: str
    message: str
    seconds: float | None = None
    code: int | None = None
    error: str | None = None
    found: dict[str, Any] = {}  # noqa: RUF012 - never changed: the record is frozen


def not_tried(name: str, why: str) -> Step:
    """Return a step that was not tried."""
    return Step(name, NOT_TRIED, why)


def load(limit: float) -> Step:
    """Find the driver library and load it. ``found``: ``name`` to load it by, ``path``, ``tried``, versions."""
    name = "driver library"
    ended = apart.run(_load, limit)
    told = ended.told
    found = {key: told[key] for key in FOUND if key in told}
    if ended.death or "name" not in told:
        return _died(name, ended, found)
    if told["name"] is None:
        denied = [one["name"] for one in told["tried"] if one["answer"] not in ("ok", "not there")][1:]
        message = f"{cuda.NAME} is nowhere the loader looks, nor where drivers are put"
        if denied:
            message = f"{cuda.NAME} is there, and cannot be loaded: {', '.join(denied)}"
        return Step(name, FAILED, message, ended.seconds, found=found)
    message = str(told["path"] or told["name"])
    if told["name"] != cuda.NAME:
        folder = os.path.dirname(told["name"])
        message += f"; the loader does not look there: programs need LD_LIBRARY_PATH={folder}"
    versions = told["library_version"], told["module_version"]
    if all(versions) and versions[0] != versions[1]:
        message += f"; it is version {versions[0]}, the driver in the kernel {versions[1]}: they must be the same"
    return Step(name, OK, message, ended.seconds, found=found)


def _load(tell: Tell) -> None:
    driver, tried = library.find(os.environ)
    path = driver.path() if driver else None
    kept = library.versions(path)
    tell(
        {
            "name": tried[-1].name if driver else None,
            "path": path,
            "tried": [one.as_dict() for one in tried],
            "library_version": kept[0],
            "module_version": kept[1],
        }
    )


def start(name: str, limit: float) -> Step:
    """Call ``cuInit(0)``; ``name`` is what the library was loaded by."""
    return _judged("cuInit(0)", apart.run(lambda tell: _start(name, tell), limit))


def _start(name: str, tell: Tell) -> cuda.Driver | None:
    """Load and start it; tell what ``cuInit`` answers, and return the library where that was 0."""
    driver = cuda.Driver(name)
    tell({"at": "in cuInit(0)"})
    code = driver.start()
    error, words = driver.words(code) if code else (None, "")
    tell({"code": code, "error": error, "message": words or "0 CUDA_SUCCESS", "at": "after cuInit(0)"})
    return None if code else driver


def devices(name: str, limit: float) -> Step:
    """Ask for the version, the number of devices, their names and UUIDs; none at all is a failure."""
    step = _judged("devices", apart.run(lambda tell: _devices(name, tell), limit))
    if step.status != OK or step.found.get("devices"):
        return step
    return step.replace(status=FAILED, message="CUDA starts and shows no device" + _hidden())


def _devices(name: str, tell: Tell) -> None:
    driver = _start(name, tell)
    if driver is None:
        return
    try:
        tell({"at": "in cuDriverGetVersion"})
        version = driver.version()
        tell({"at": "in cuDeviceGetCount"})
        count = driver.count()
        found = []
        for index in range(count):
            tell({"at": f"in asking for device {index}"})
            name, uuid = driver.device(index)
            found.append({"index": index, "name": name, "uuid": uuid})
    except cuda.CudaError as error:
        label, words = driver.words(error.code)
        tell({"code": error.code, "error": label, "message": f"{error.function}: {words}"})
        return
    shown = ", ".join(f"{one['name']} ({one['uuid']})" for one in found)
    cuda_version = f"{version // 1000}.{version % 1000 // 10}"
    message = f"{count}: {shown}; the driver serves CUDA up to {cuda_version}"
    tell({"found": {"devices": found, "cuda": cuda_version}, "message": message})


def _judged(name: str, ended: Ended) -> Step:
    """Return the step for what its child told."""
    told = ended.told
    if ended.death or "message" not in told:
        return _died(name, ended, {})
    code = told.get("code", 0)
    message = told["message"] + (_hidden() if code == NO_DEVICE else "")
    if code:
        message = f"{code} {told['error']}: {message}"
    found = told.get("found", {})
    return Step(name, FAILED if code else OK, message, ended.seconds, code or None, told.get("error"), found)


def _died(name: str, ended: Ended, found: dict[str, Any]) -> Step:
    """Return the step for a child that did not get to its answer."""
    end = ended.death or ended.told.get("problem") or "ended without an answer"
    where = f" {ended.told['at']}" if "at" in ended.told else ""
    return Step(name, FAILED, f"{end}{where}", ended.seconds, found=found)


def _hidden() -> str:
    value = os.environ.get(HIDING)
    return "" if value is None else f"; {HIDING} is {value!r}: what it does not name is hidden"
