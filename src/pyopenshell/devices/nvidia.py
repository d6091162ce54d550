"""What NVIDIA's kernel driver says of itself and its GPUs in ``/proc/driver`` (kernel-open/nvidia/nv-procfs.c).

Whatever a file holds that is not understood counts as not told. Nothing here opens a device.
"""

from __future__ import annotations

import os

from pyopenshell.devices.gpu import Mig
from pyopenshell.record import Record

MOST = 16384
"""Bytes of a file that are read; the driver's own are far shorter."""
LONGEST = 128
"""Characters of a model's or version's name that are kept."""
ENTRIES = 4096
"""Entries of a folder that are looked at."""
LAST = (1 << 20) - 1
"""The greatest minor number that Linux has (MINORBITS, include/linux/kdev_t.h)."""


class Card(Record):
    """A GPU as ``/proc/driver/nvidia/gpus/<bus>/information`` describes it.

    ``excluded``: its owner keeps the driver away from it, and no program finds it.
    """

    bus: str
    minor: int | None = None
    uuid: str | None = None
    name: str | None = None
    excluded: bool = False


def cards(proc_root: str = "/proc") -> tuple[Card, ...]:
    """Return the GPUs that the driver drives, by PCI address: the order in which NVML and CDI specs number them."""
    folder = f"{proc_root}/driver/nvidia/gpus"
    found = [_card(name, read(f"{folder}/{name}/information")) for name in entries(folder)]
    return tuple(sorted(found, key=lambda card: place(card.bus)))


def driver(proc_root: str = "/proc", sys_root: str = "/sys") -> str | None:
    """Return the version of the driver that runs (``570.86.15``), None where none does.

    Its first line reads ``NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Tue …``; the open kernel module
    says ``Open Kernel Module for x86_64`` instead, and names who built it.
    """
    for line in read(f"{proc_root}/driver/nvidia/version").splitlines():
        if line.startswith("NVRM version:"):
            for word in line.split():
                if _is_version(word):
                    return word
    word = read(f"{sys_root}/module/nvidia/version").strip()
    return word if _is_version(word) else None


def instances(minor: int, proc_root: str = "/proc", dev_root: str = "/dev") -> tuple[Mig, ...]:
    """Return the MIG instances of the GPU with this minor number, one for each compute instance.

    They are numbered as they come by their ids; NVML, which alone knows names and UUIDs, may number otherwise.
    """
    folder = f"{proc_root}/driver/nvidia/capabilities/gpu{minor}/mig"
    pairs = [
        (gpu_instance, compute_instance)
        for gpu_instance in _numbered(folder, "gi")
        for compute_instance in _numbered(f"{folder}/gi{gpu_instance}", "ci")
    ]
    return tuple(
        Mig(
            index,
            gpu_instance=gpu_instance,
            compute_instance=compute_instance,
            nodes=capabilities(minor, gpu_instance, compute_instance, proc_root, dev_root),
        )
        for index, (gpu_instance, compute_instance) in enumerate(pairs)
    )


def capabilities(
    minor: int, gpu_instance: int, compute_instance: int, proc_root: str = "/proc", dev_root: str = "/dev"
) -> tuple[str, ...]:
    """Return the capability devices that open an instance: its GPU instance's, then its compute instance's.

    Whether they exist is not looked at: the driver makes them when they are asked for (nvidia-modprobe).
    """
    gpu = f"gpu{minor}/gi{gpu_instance}"
    found = []
    for name in (gpu, f"{gpu}/ci{compute_instance}"):
        number = _capability(name, proc_root)
        if number is not None:
            found.append(f"{dev_root}/nvidia-caps/nvidia-cap{number}")
    return tuple(found)


def _capability(name: str, proc_root: str) -> int | None:
    """Return the minor number of an instance's capability, from its own file, else from the table of all there can be.

    The table (``mig-minors``) holds instances that do not exist, so it never says that one does.
    """
    path = name.replace("/gi", "/mig/gi")
    for line in read(f"{proc_root}/driver/nvidia/capabilities/{path}/access").splitlines():
        key, _, value = line.partition(":")
        if key == "DeviceFileMinor":
            return number(value.strip())
    for line in read(f"{proc_root}/driver/nvidia-caps/mig-minors", most=1 << 20).splitlines():
        key, _, value = line.partition(" ")
        if key == f"{name}/access":
            return number(value.strip())
    return None


def _numbered(folder: str, prefix: str) -> list[int]:
    """Return the numbers of the entries named by prefix and number, in order."""
    numbers = (number(name.removeprefix(prefix)) for name in entries(folder) if name.startswith(prefix))
    return sorted({found for found in numbers if found is not None})


def _card(name: str, text: str) -> Card:
    told: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            told.setdefault(key.strip(), value.strip())
    return Card(
        bus=bus(told.get("Bus Location") or name),
        minor=number(told.get("Device Minor", "")),
        uuid=uuid(told.get("GPU UUID", "")),
        name=told.get("Model", "")[:LONGEST] or None,
        excluded=told.get("GPU Excluded") == "Yes",
    )


def bus(text: str) -> str:
    """Return a PCI address as the kernel writes it: NVML writes eight digits of domain, and capital letters."""
    domain, colon, rest = text.strip().lower().partition(":")
    short = domain.lstrip("0").rjust(4, "0")
    return (f"{short}:{rest}" if colon else domain)[:LONGEST]


def place(address: str) -> tuple[int, tuple[int, ...], str]:
    """Return what sorts PCI addresses by number, with all else behind them."""
    parts = address.replace(".", ":").split(":")
    if len(parts) == 4 and all(0 < len(part) <= 8 and part.isascii() and part.isalnum() for part in parts):
        try:
            return (0, tuple(int(part, 16) for part in parts), address)
        except ValueError:
            pass
    return (1, (), address)


def uuid(text: str) -> str | None:
    """Return a GPU's UUID; None where the driver masks it with question marks, or there is none."""
    rest = text.removeprefix("GPU-")
    fits = text.startswith("GPU-") and 0 < len(rest) < LONGEST and rest.replace("-", "").isalnum() and rest.isascii()
    return text if fits else None


def number(text: str) -> int | None:
    """Return a decimal number that can be a device's minor number, None for all else."""
    if not (0 < len(text) < 10 and text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if value <= LAST else None


def _is_version(word: str) -> bool:
    parts = word.split(".")
    return len(word) < LONGEST and len(parts) > 1 and all(part.isascii() and part.isdigit() for part in parts)


def entries(folder: str) -> list[str]:
    """Return a folder's entries in order, none where it cannot be read."""
    try:
        return sorted(os.listdir(folder))[:ENTRIES]
    except (OSError, ValueError):
        return []


def read(path: str, most: int = MOST) -> str:
    """Return the beginning of a file as text; empty where it cannot be read. Never waits."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return ""
    chunks = []
    try:
        while most > 0 and (chunk := os.read(fd, most)):
            chunks.append(chunk)
            most -= len(chunk)
    except OSError:
        pass
    finally:
        os.close(fd)
    return b"".join(chunks).decode("utf-8", "replace")
