"""Tell what a sandbox is in this place: what enforces what, what is missing, and which findings say so.

It runs inside the place that it measures, with the standard library and an importable ``pyopenshell``, and prints one
JSON object. A place without any sandbox is an answer too: ``error`` then holds the refusal. Usage:
``python3 measure.py [--max-abi N]``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from pyopenshell import __main__
from pyopenshell.kernel import landlock
from pyopenshell.launch import facts

SCHEMA = "pyopenshell.place/1"
SECONDS = 300
"""How long one command may take; kernels under emulation are slow."""
SETTINGS = {
    "max_user_namespaces": "user/max_user_namespaces",
    "unprivileged_userns_clone": "kernel/unprivileged_userns_clone",
    "apparmor_restrict_unprivileged_userns": "kernel/apparmor_restrict_unprivileged_userns",
}
"""Who may make user namespaces: the kernel's own limit, Debian's switch, Ubuntu's switch."""
KINDS = ("user", "mount", "pid", "net", "ipc")
OF_THE_MACHINE = ("kernel", "architecture", "interpreter", "state folder", "terminal", "a sandbox")
"""Checks of ``openshell doctor`` that say nothing of what enforces a sandbox."""
OF_A_FOLDER = "outcome."
"""Findings about file modes of the folder that happens to be the working directory begin so."""


def measure(max_abi: int | None = None) -> dict[str, Any]:
    """Return what this place offers and what a sandbox made here is."""
    found: dict[str, Any] = {"schema": SCHEMA, "as": "user" if os.geteuid() else "root"}
    found |= {"kernel": _kernel(max_abi), "caller": _caller(), "doctor": None, "sandbox": None, "error": None}
    folder = tempfile.mkdtemp(prefix="place-")
    try:
        command = Command(folder, max_abi)
        found["doctor"] = command.doctor()
        found["sandbox"] = command.sandbox()
    except Refused as refusal:
        found["error"] = refusal.error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


class Refused(Exception):
    """The command made no sandbox; ``error`` says why, with its stable code."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error


class Command:
    """The command ``openshell``, with a working folder and a state folder of its own."""

    def __init__(self, folder: str, max_abi: int | None) -> None:
        self.argv = (sys.executable, os.path.abspath(__main__.__file__))
        self.workdir = os.path.join(folder, "work")
        own = {f"XDG_{name.upper()}_HOME": os.path.join(folder, name) for name in ("state", "config")}
        self.environment = {**os.environ, **own}
        os.mkdir(self.workdir)
        # Any identity that root's sandboxes get can work here, so that no finding is about the folder.
        os.chmod(folder, 0o755)
        os.chmod(self.workdir, 0o777)
        self.options = () if max_abi is None else ("--max-abi", str(max_abi))

    def doctor(self) -> dict[str, Any]:
        """Return what was tried on this host, check by check."""
        answer = json.loads(self._run("doctor", "-o", "json", accepted=(0, 1)))
        checks = {
            check["name"]: {"status": check["status"], "evidence": check["evidence"]}
            for check in answer["checks"]
            if check["group"] in ("kernel", "process") and check["name"] not in OF_THE_MACHINE
        }
        return {"works": answer["works"], "checks": checks}

    def sandbox(self) -> dict[str, Any]:
        """Make one sandbox as by default, probed from inside, and one with the GPU's runtime. Raises Refused."""
        plain = self._made("plain", "--verify")
        with_gpu = self._made("gpu", "--gpu", "0")
        landlock, findings = plain["landlock"], _findings(plain)
        return {
            "isolation": plain["isolation"],
            "landlock": {
                "abi": landlock["abi"],
                "handled": landlock["handled"],
                "dropped": [
                    {key: right[key] for key in ("right", "needs_abi", "covered_by")} for right in landlock["dropped"]
                ],
            },
            "seccomp": {"count": plain["seccomp"]["count"]},
            "network": {key: plain["network"][key] for key in ("mode", "mechanism")},
            "broker": self._broker(with_gpu),
            "findings": findings,
            "gpu_findings": [finding for finding in _findings(with_gpu) if finding not in findings],
            "verified": True,
        }

    def _made(self, name: str, *options: str) -> dict[str, Any]:
        """Make a sandbox that ends at once, and return its effective policy."""
        self._run("run", "-q", "-o", "json", "-n", name, *self.options, *options, "--", "true")
        effective: dict[str, Any] = json.loads(self._run("policy", "get", name, "--full", "-o", "json"))
        return effective

    def _broker(self, effective: dict[str, Any]) -> dict[str, Any]:
        """Return what lets CUDA name its threads, and why it is not the broker where it is not."""
        grants = effective["runtime_additions"]
        mechanism = grants[0]["mechanism"] if grants else "none"
        why = [finding["message"] for finding in effective["findings"] if finding["code"].startswith("cuda.")]
        state = "available" if mechanism == "broker" else "unavailable"
        return {"state": state, "mechanism": mechanism, "reason": " ".join(why)}

    def _run(self, *arguments: str, accepted: tuple[int, ...] = (0,)) -> str:
        """Run the command to its end and return its output. Raises Refused with the error that it printed."""
        options: dict[str, Any] = {"cwd": self.workdir, "env": self.environment, "timeout": SECONDS, "check": False}
        try:
            done = subprocess.run(
                (*self.argv, *arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, **options
            )
        except subprocess.TimeoutExpired:
            raise Refused({"code": "timeout", "message": f"no end within {SECONDS} s", "hint": None}) from None
        if done.returncode in accepted:
            return str(done.stdout)
        raise Refused(_error(done))


def _error(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the error that a command printed, below other lines or none, or whatever it printed instead."""
    try:
        error = json.loads(done.stderr[done.stderr.index("{\n") :])["error"]
        return {key: error[key] for key in ("code", "message", "hint")}
    except (ValueError, KeyError, TypeError):
        return {"code": f"exit {done.returncode}", "message": done.stderr.strip()[-2000:], "hint": None}


def _findings(effective: dict[str, Any]) -> list[dict[str, str]]:
    """Return code and severity of each finding once, in a fixed order."""
    found = {(finding["code"], finding["severity"]) for finding in effective["findings"]}
    return [{"code": code, "severity": of} for code, of in sorted(found) if not code.startswith(OF_A_FOLDER)]


def _kernel(max_abi: int | None) -> dict[str, Any]:
    """Return what the kernel says of itself, and which namespaces a throwaway child of this process could make."""
    host = facts.host(max_abi)
    modules = _read("/sys/kernel/security/lsm")
    made = {kind: getattr(host.namespaces, kind) for kind in KINDS}
    return {
        "release": host.release,
        "abi": host.landlock_abi,
        "masked": max_abi is not None,
        "errata": landlock.errata() if host.landlock_abi else 0,
        "lsm": modules.split(",") if modules else None,
        "yama": _setting("kernel/yama/ptrace_scope"),
        "userns": {name: _setting(path) for name, path in SETTINGS.items()},
        "namespaces": {**made, "reason": host.namespaces.reason},
    }


def _caller() -> dict[str, Any]:
    """Return what confines this process already (proc_pid_status(5))."""
    lines = (line.partition(":") for line in (_read("/proc/self/status") or "").splitlines())
    status = {key: value.strip() for key, _, value in lines}
    return {
        "capabilities": status.get("CapEff"),
        "no_new_privs": status.get("NoNewPrivs") == "1",
        "seccomp": status.get("Seccomp") == "2",
    }


def _setting(path: str) -> int | None:
    """Return a number beneath /proc/sys, or None where this kernel has none or does not show it."""
    text = _read(f"/proc/sys/{path}")
    return int(text) if text else None


def _read(path: str) -> str | None:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None


def main(arguments: list[str]) -> int:
    """Print the measurement. Returns 0, also where no sandbox can be made."""
    max_abi = int(arguments[1]) if arguments[:1] == ["--max-abi"] else None
    print(json.dumps(measure(max_abi), sort_keys=True, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
