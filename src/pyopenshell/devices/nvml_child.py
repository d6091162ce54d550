"""The process that loads NVML: it asks the library for all it knows, and writes that in lines of fields.

``driver VERSION``; ``gpu INDEX MINOR UUID NAME BUS``, and behind it ``mig INDEX GPU-INSTANCE COMPUTE-INSTANCE UUID
NAME`` for each instance; ``note TEXT``; ``end``. Tabs part the fields, and an empty one was not told.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NOT_SUPPORTED, NOT_FOUND = 3, 6
"""``NVML_ERROR_NOT_SUPPORTED``: a GPU without MIG; ``NVML_ERROR_NOT_FOUND``: no instance has this place (nvml.h)."""
LONGEST = 256
"""Characters of a field."""
END = "end"


def main() -> None:
    """Be the child: load the library, and write what it tells to standard output, which it cannot reach itself."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a driver's crash is no reason for a core file of ours
    out = os.dup(1)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    for fields in _told():
        line = "\t".join(" ".join(field.split())[:LONGEST] for field in fields)
        os.write(out, f"{line}\n".encode("utf-8", "replace"))
    os._exit(0)  # what the library still does at its end is nobody's business


def _told() -> Iterator[tuple[str, ...]]:
    """Yield the lines of the answer. A call that fails is a note, and the next GPU is asked."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        yield "note", "NVML was not asked: its Python binding is not installed (pip install nvidia-ml-py)"
        yield (END,)
        return
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        yield "note", f"NVML does not start: {_said(pynvml, error)}"
        yield (END,)
        return
    yield "driver", _text(pynvml, pynvml.nvmlSystemGetDriverVersion)
    for index in range(count):
        try:
            device = pynvml.nvmlDeviceGetHandleByIndex(index)
        except pynvml.NVMLError as error:
            yield "note", f"NVML says of GPU {index}: {_said(pynvml, error)}"
            continue
        yield (
            "gpu",
            str(index),
            _text(pynvml, pynvml.nvmlDeviceGetMinorNumber, device),
            _text(pynvml, pynvml.nvmlDeviceGetUUID, device),
            _text(pynvml, pynvml.nvmlDeviceGetName, device),
            _text(pynvml, lambda device: pynvml.nvmlDeviceGetPciInfo(device).busId, device),
        )
        yield from _split(pynvml, device, index)
    yield (END,)


def _split(pynvml: Any, device: Any, index: int) -> Iterator[tuple[str, ...]]:
    """Yield the lines of a GPU's MIG instances."""
    try:
        if not pynvml.nvmlDeviceGetMigMode(device)[0]:
            return
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(device)
    except pynvml.NVMLError as error:
        if error.value not in (NOT_SUPPORTED, NOT_FOUND):
            yield "note", f"NVML does not tell the MIG mode of GPU {index}: {_said(pynvml, error)}"
        return
    found = 0
    for place in range(most):
        try:
            mig = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(device, place)
        except pynvml.NVMLError as error:
            if error.value not in (NOT_SUPPORTED, NOT_FOUND):
                yield "note", f"NVML says of instance {place} of GPU {index}: {_said(pynvml, error)}"
            continue
        found += 1
        name = _text(pynvml, pynvml.nvmlDeviceGetName, mig)
        yield (
            "mig",
            str(place),
            _text(pynvml, pynvml.nvmlDeviceGetGpuInstanceId, mig),
            _text(pynvml, pynvml.nvmlDeviceGetComputeInstanceId, mig),
            _text(pynvml, pynvml.nvmlDeviceGetUUID, mig),
            name[name.find("MIG ") :] if "MIG " in name else name,
        )
    if not found:
        yield "note", f"GPU {index} is in MIG mode, and no instance of it can be opened: CUDA finds nothing on it"


def _text(pynvml: Any, call: Any, *arguments: Any) -> str:
    """Return what a call tells, as text; nothing where it fails, or the binding finds no text in it."""
    try:
        value = call(*arguments)
    except (pynvml.NVMLError, UnicodeDecodeError):
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _said(pynvml: Any, error: Any) -> str:
    """Return the library's own words for an error, which people know and search for; else the binding's."""
    try:
        return str(pynvml.nvmlErrorString(error.value))
    except (pynvml.NVMLError, UnicodeDecodeError):
        return str(error)
