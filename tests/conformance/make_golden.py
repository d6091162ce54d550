"""Write the golden events: ``python -m tests.conformance.make_golden``, in the root of the checkout.

The sample is one GPU sandbox on a kernel with ABI 7, with every kind of event and every status of a grant.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from pyopenshell.audit import translate
from pyopenshell.audit.context import Context, Process
from pyopenshell.audit.log import Log
from pyopenshell.effective.model import (
    Detail,
    Dropped,
    Effective,
    Finding,
    Grant,
    Identity,
    Isolation,
    LandlockReport,
    Network,
    Origin,
    SeccompReport,
    grant_id,
)
from pyopenshell.launch.reports import KINDS, Counts, Use
from pyopenshell.policy.access import DEVICE, READ_ONLY, READ_WRITE, THREAD_NAMES

GOLDEN = Path(__file__).with_name("golden")
TIME = 1_767_323_045_678

CONTEXT = Context(
    time=TIME,
    sandbox="demo",
    run_id="01KDYKEVJE0123456789ABCDEF",
    hostname="host.example",
    release="6.18.44",
    version="0.1.0",
    user="ada",
    uid=1000,
    pid=4242,
)
PROCESS = Process(
    argv=("python3", "train.py", "--epochs", "3", "it's here"),
    path="/usr/bin/python3.11",
    uid=61184,
    gid=61184,
    user="sandbox",
    workdir="/home/ada/work",
    environment=("PATH", "HOME", "API_TOKEN"),
    pid=4250,
    started=TIME + 5,
)


def grant(origin: Origin, path: str, access: tuple[str, ...], reason: str, **more: Any) -> Grant:
    """Return an enforced grant that the kernel accepted whole, unless told otherwise."""
    values = {"resolved": path, "actual": access, "status": "enforced", **more}
    return Grant(id=grant_id(origin, path), path=path, access=access, origin=origin, reason=reason, **values)


def effective() -> Effective:
    """Return the sample's effective policy."""
    process, gpu = Origin("baseline", "process"), Origin("baseline", "gpu")
    return Effective(
        name="demo",
        run_id=CONTEXT.run_id,
        declared={"version": 1},
        file="policies/cuda.yaml",
        source_sha256="ab" * 32,
        identity=Identity(61184, 61184, (), "dynamic"),
        grants=(
            grant(
                Origin("declared", "read_only", "policies/cuda.yaml", 4), "/data", READ_ONLY, "Declared in the policy"
            ),
            grant(Origin("workdir"), "/home/ada/work", READ_WRITE, "The policy includes the working directory"),
            grant(process, "/lib", READ_ONLY, "Shared libraries", resolved="/usr/lib", status="covered").replace(
                detail=Detail(covered_by="baseline/process:/usr", message="another grant gives it already")
            ),
            grant(
                process, "/lib64", READ_ONLY, "The dynamic loader", resolved=None, actual=(), status="skipped"
            ).replace(detail=Detail(errno=2, message="it does not exist")),
            grant(process, "/dev/null", DEVICE, "Discarded output", actual=("read_file", "write_file")),
            grant(gpu, "/dev/nvidiactl", DEVICE, "Control node of the NVIDIA driver", status="blocked").replace(
                detail=Detail(message="file modes deny write_file to uid 61184")
            ),
            grant(
                Origin("runtime", "cuda-thread-names"),
                "/proc",
                THREAD_NAMES,
                "cuInit() writes the names of its threads to /proc/self/task/<tid>/comm",
            ),
            grant(
                Origin("runtime", "cuda-thread-names"),
                "/proc/<own-pid>/task/<own-tid>/comm",
                THREAD_NAMES,
                "The broker opens these files for each process, of its own threads only",
                resolved=None,
                mechanism="broker",
            ),
            grant(Origin("contributor", "editor"), "/opt/editor", READ_ONLY, "The editor's server"),
        ),
        network=Network("none", "network namespace"),
        isolation={
            "pid": Isolation("private", "pid namespace"),
            "net": Isolation("private", "network namespace"),
            "signals": Isolation("scoped", "landlock"),
        },
        landlock=LandlockReport(
            "best_effort",
            7,
            (*READ_WRITE[:-1], "ioctl_dev"),
            (Dropped("resolve_unix", 9, "Sockets with a path can be connected to"),),
        ),
        seccomp=SeccompReport("cd" * 32, 41),
        findings=(
            Finding(
                "cuda.thread-names.write-file",
                "High",
                "CUDA thread names need write_file on /proc: 38 files there can be opened for writing",
                "set runtime.cuda_thread_names to off, or accept it",
                "runtime/cuda-thread-names:/proc",
            ),
            Finding("path.missing", "Low", "The declared path /data/old does not exist"),
        ),
        state="running",
    )


def receipt() -> dict[str, Any]:
    """Return what the kernel is said to have accepted of it."""
    return {
        "schema": "pyopenshell.receipt/1",
        "effective_digest": "ef" * 32,
        "steps": [],
        "rules": [{"grant": "workdir:/home/ada/work", "dev": 1, "ino": 2, "requested": [], "actual": []}] * 5,
        "credentials": {"uid": 61184, "gid": 61184, "groups": [], "capabilities": 0, "no_new_privs": True},
        "namespaces": {"pid": 4026531836, "net": 4026531840, "user": None},
        "seccomp": {"sha256": "cd" * 32, "mode": 2},
        "canary": {"path": "/", "errno": 13},
        "supervisor_checks": [
            {"name": "uid", "expected": "61184", "observed": "61184", "ok": True},
            {"name": "no_new_privs", "expected": "1", "observed": "1", "ok": True},
        ],
    }


def broken_receipt() -> dict[str, Any]:
    """Return a receipt with a canary that got through and a check that did not hold."""
    checks = [{"name": "uid", "expected": "61184", "observed": "0", "ok": False}]
    return {**receipt(), "canary": {"path": "/", "errno": 0}, "supervisor_checks": checks}


def events() -> list[dict[str, Any]]:
    """Return every kind of event there is, in the order of a run."""
    policy = effective()
    end = CONTEXT.replace(time=TIME + 61_005)
    return [
        *translate.enrichments(policy, CONTEXT),
        translate.enforcement(policy, receipt(), CONTEXT),
        translate.enforcement(policy, broken_receipt(), CONTEXT),
        *(translate.finding(found, CONTEXT) for found in policy.findings),
        translate.lifecycle("Start", CONTEXT),
        translate.verified("as reported", "310 attempts, 61 not telling", {"drift": 0, "unknown": 0}, CONTEXT),
        translate.launched(PROCESS, CONTEXT),
        translate.launched(PROCESS.replace(pid=None, started=None), CONTEXT, failure="step 'landlock': E2BIG"),
        translate.launched(PROCESS.replace(argv=("echo", "a" * 5000)), CONTEXT),
        translate.launched(PROCESS.replace(pid=None, inside=7), CONTEXT),
        translate.brokered(Use("granted", 4251, 7, b"/proc/self/task/9/comm"), CONTEXT),
        translate.brokered(Use("other-process", 4251, 7, b"/proc/1/task/1/comm"), CONTEXT),
        translate.brokered(Use("unreadable", 4252, 0, b""), CONTEXT),
        translate.exited(PROCESS, end, code=3),
        translate.exited(PROCESS, end, code=137, signal=9),
        translate.lifecycle("Stop", end),
        translate.lifecycle("Stop", end, Counts(dict.fromkeys(KINDS, 0) | {"granted": 12, "other-process": 1}, 0)),
    ]


def write(folder: Path) -> None:
    """Write the events to a folder, as a run does."""
    log = Log(str(folder))
    log.append(*events())
    log.close()


def main() -> int:
    """Replace the golden files."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for made in Path(folder).iterdir():
            (GOLDEN / made.name).write_bytes(made.read_bytes())
            print(GOLDEN / made.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
