"""The GPU host that is measured: what it is, what can be executed in a sandbox there, and a probe in one."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pyopenshell
from pyopenshell.devices import nodes
from pyopenshell.devices.probe import product
from pyopenshell.kernel import landlock
from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MODES = ("broker", "write_file", "declared", "off")
"""Ways to name threads; ``declared`` is /proc in read_write."""
VENDORS = ("nvidia", "wsl")
"""Whose GPUs CUDA runs on through ``libcuda.so.1`` and the nodes of the table."""
SYSTEM = ("/usr/", "/lib/", "/lib64/", "/bin/", "/sbin/", "/etc/")
"""What every sandbox may read anyway."""
LIBRARIES = "LD_LIBRARY_PATH"
SECONDS = 300
"""How long a probe may take in all."""
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"
_PLACES = """
import json, os, sys
try:
    import torch
    places = [os.path.dirname(os.path.dirname(torch.__file__))]
    version = torch.version.cuda and torch.__version__
except Exception:
    places, version = [], None
print(json.dumps({"places": [sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable)), *places],
                  "version": version}))
"""


def gpus() -> list[str]:
    """Return the device nodes of the GPUs that CUDA could run on here."""
    return [device.path for device in nodes.gpus(nodes.present()) if device.vendor in VENDORS]


def why_not() -> str | None:
    """Return why nothing can be measured here, None where it can."""
    if gpus():
        return None
    return "there is no device node of a GPU that CUDA runs on (/dev/nvidia0 and so on, /dev/dxg)"


def facts() -> dict[str, Any]:
    """Return what this host is, as far as it can be told without starting CUDA."""
    try:
        abi: int | str = landlock.abi()
    except OSError as error:
        abi = errno.errorcode.get(error.errno or 0, "none")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "landlock_abi": abi,
        "seccomp_notification": _has_notification(),
        "driver": _driver(),
        "gpus": _models() or gpus(),
        "python": platform.python_version(),
        "pytorch": _named(pytorch()),
        "started_by": "root" if os.geteuid() == 0 else "an ordinary user",
    }


def _named(found: PyTorch | None) -> str:
    if found is None:
        return "none with CUDA"
    return found.version if reachable(found.python) else f"{found.version}, which other users cannot execute"


def _has_notification() -> bool:
    """Whether the kernel knows the filter action that the broker lives on (SECCOMP_RET_USER_NOTIF)."""
    return "user_notif" in _text("/proc/sys/kernel/seccomp/actions_avail").split()


def _driver() -> str | None:
    return next((word for word in _text("/proc/driver/nvidia/version").split() if word[:1].isdigit()), None)


def _models() -> list[str]:
    """Return the models as the driver has them in procfs, in the order of their addresses."""
    folder = "/proc/driver/nvidia/gpus"
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        lines = dict(line.split(":", 1) for line in _text(f"{folder}/{name}/information").splitlines() if ":" in line)
        found.append(lines.get("Model", name).strip())
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def interpreter() -> str:
    """Return an interpreter that any user can execute: the system's where it is new enough, else this one."""
    system = "/usr/bin/python3"
    if os.path.exists(system) and subprocess.run([system, "-c", _NEW_ENOUGH], check=False).returncode == 0:
        return system
    return sys.executable


def copy_sources(folder: str) -> str:
    """Copy the package where every user can read it, which a checkout need not be; return the folder to import from."""
    source = os.path.dirname(os.path.abspath(pyopenshell.__file__))
    shutil.copytree(source, f"{folder}/pyopenshell", ignore=shutil.ignore_patterns("__pycache__"))
    for path, _, files in os.walk(folder):
        os.chmod(path, 0o755)
        for name in files:
            os.chmod(f"{path}/{name}", 0o644)
    return folder


class PyTorch(Record):
    """A PyTorch with CUDA: its Python, the folders beyond the system's that both are in, its version."""

    python: str
    folders: tuple[str, ...]
    version: str


def pytorch() -> PyTorch | None:
    """Return the PyTorch with CUDA that a probe would find; None for none."""
    found = product.search(None, os.environ)
    if found is None:
        return None
    done = subprocess.run([found, "-c", _PLACES], capture_output=True, text=True, check=False, cwd="/")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"version": None}
    return PyTorch(found, tuple(outside(told["places"])), told["version"]) if told["version"] else None


def reachable(path: str) -> bool:
    """Whether any user can get to a program and execute it: what root starts in a sandbox runs as somebody else."""
    steps = [place for start in (path, os.path.realpath(path)) for place in _above(start)]
    return all(os.stat(step).st_mode & stat.S_IXOTH for step in steps)


def _above(path: str) -> list[str]:
    parts = os.path.abspath(path).split("/")[1:]
    return ["/" + "/".join(parts[:end]) for end in range(len(parts) + 1)]


def outside(folders: Iterable[str]) -> list[str]:
    """Return those that are not the system's, each once, real paths too."""
    every = [path for folder in folders for path in (folder, os.path.realpath(folder))]
    return [path for path in dict.fromkeys(every) if not f"{path}/".startswith(SYSTEM) and path != "/"]


def places_of(python: str) -> list[str]:
    """Return the folders beyond the system's that an interpreter is in."""
    code = "import os, sys; print(sys.prefix, sys.base_prefix, os.path.realpath(sys.executable), sep='\\n')"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    prefix, base, real = done.stdout.splitlines()
    return outside((prefix, base, os.path.dirname(real)))


def policy(mode: str, read_only: Iterable[str]) -> dict[str, Any]:
    """Return a policy under which threads are named in this way, and these folders can be read."""
    paths = {"read_only": list(dict.fromkeys(read_only)), "read_write": ["/proc"] if mode == "declared" else []}
    whole: dict[str, Any] = {"version": 1, "filesystem_policy": {"include_workdir": True, **paths}}
    return whole if mode == "declared" else {**whole, "runtime": {"cuda_thread_names": mode}}


def probe(sources: str, python: str | None) -> list[str]:
    """Return the command line of a probe for inside, which prints JSON; ``python`` is the one with PyTorch."""
    command = [interpreter(), "-I", f"{sources}/pyopenshell/__main__.py", "gpu", "probe", "-o", "json"]
    return [*command, *(["--python", python] if python else [])]


def loading(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the options that pass what the driver library is found by, and the folders that this names."""
    path = environ.get(LIBRARIES)
    return (["--env", LIBRARIES], outside(filter(None, path.split(":")))) if path else ([], [])
