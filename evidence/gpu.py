"""``make evidence-gpu``: record what starting CUDA asks of the kernel, and write docs/evidence/gpu.json and gpu.md.

On a host without a GPU nothing is recorded, and the page is made from the record that is there, or says that none is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from evidence import calls, gpu_host, recorder
from evidence.gpu_page import render
from pyopenshell.devices.probe import steps

RECORD, PAGE = "docs/evidence/gpu.json", "docs/evidence/gpu.md"
PROGRAM = os.path.join(gpu_host.CHECKOUT, "evidence", "start_cuda.py")


def main() -> int:
    """Record where there is a GPU, and write the page; return the exit status."""
    missing = gpu_host.why_not()
    if missing:
        print(f"nothing was recorded: {missing}", file=sys.stderr)
    else:
        _write(RECORD, json.dumps(take(), indent=1) + "\n")
    _write(PAGE, page(gpu_host.CHECKOUT))
    return 0


def take() -> dict[str, Any]:
    """Return everything that is recorded of this host's GPU."""
    return {"facts": gpu_host.facts(), "recorded": started(steps.load(60).found["name"]), "modes": launched()}


def page(checkout: str) -> str:
    """Return the page for the record in a checkout, or for none."""
    try:
        with open(os.path.join(checkout, RECORD), encoding="utf-8") as file:
            return render(json.load(file))
    except FileNotFoundError:
        return render(None)


def started(library: str) -> dict[str, Any]:
    """Start CUDA in a program that is watched; return what it printed (cuInit, count's answer, count) and its calls."""
    log = calls.Log()
    reader, writer = os.pipe()
    saved = os.dup(1)
    sys.stdout.flush()
    os.dup2(writer, 1)
    os.close(writer)
    try:
        code = recorder.record([gpu_host.interpreter(), "-I", "-S", PROGRAM, library], calls.note, log.add)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    with open(reader, encoding="utf-8") as pipe:
        printed = pipe.read().split()
    parts = {part: what for part, what in log.parts().items() if part not in ("start", "end")}
    return {"exit": code, "answers": [int(word) for word in printed[-3:]], "parts": parts}


def launched() -> dict[str, Any]:
    """Probe in a sandbox under each way to name threads; return what the steps answered, or why there is no answer."""
    torch = gpu_host.pytorch()
    torch = torch if torch and gpu_host.reachable(torch.python) else None
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="openshell-evidence.", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        sources = gpu_host.copy_sources(os.path.join(folder, "sources"))
        os.mkdir(f"{folder}/work", 0o777)
        folders = [sources, *gpu_host.places_of(gpu_host.interpreter()), *(torch.folders if torch else ())]
        folders += gpu_host.loading(os.environ)[1]
        for mode in gpu_host.MODES:
            found[mode] = _probed(folder, mode, folders, gpu_host.probe(sources, torch.python if torch else None))
    return found


def _probed(folder: str, mode: str, folders: list[str], command: list[str]) -> dict[str, Any]:
    file = f"{folder}/policy.json"
    with open(file, "w", encoding="utf-8") as policy:
        json.dump(gpu_host.policy(mode, folders), policy)
    run = [sys.executable, "-m", "pyopenshell", "run", "--quiet", "--gpu", "--policy", file]
    done = subprocess.run(
        [*run, *gpu_host.loading(os.environ)[0], "--", *command],
        cwd=f"{folder}/work",
        env=os.environ | {"XDG_STATE_HOME": f"{folder}/state"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=gpu_host.SECONDS,
    )
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return {"problem": (done.stderr.splitlines() or [f"ended with {done.returncode}"])[0]}
    steps = {step["name"]: {"status": step["status"], "code": step["code"]} for step in told["steps"]}
    return {"steps": steps, "lacking": [one["path"] for one in told["lacking"] if one["status"] == "denied"]}


def _write(path: str, text: str) -> None:
    with open(os.path.join(gpu_host.CHECKOUT, path), "w", encoding="utf-8") as file:
        file.write(text)
    print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main())
