"""Run records built by hand, and the command lines whose output on them is kept under ``golden/``."""

from __future__ import annotations

import json
import os
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from pyopenshell.__main__ import main
from pyopenshell.effective.model import (
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
    grant_id,
)
from pyopenshell.policy.access import READ_ONLY, READ_WRITE

GOLDEN = Path(__file__).with_name("golden")

DEMO = "01JQ0000000000000000000002"

COMMANDS = {
    "policy-get": ["policy", "get", "demo"],
    "policy-get-base": ["policy", "get", "demo", "--base"],
    "policy-get-declared-json": ["policy", "get", "demo", "-o", "json"],
    "policy-get-full": ["policy", "get", "demo", "--full"],
    "policy-get-full-json": ["policy", "get", "demo", "--full", "-o", "json"],
    "policy-get-full-yaml": ["policy", "get", "demo", "--full", "-o", "yaml"],
    "policy-get-full-missing": ["policy", "get", "early", "--full"],
    "policy-get-unknown": ["policy", "get", "demoo"],
    "policy-get-unknown-json": ["policy", "get", "demoo", "-o", "json"],
    "sandbox-list": ["sandbox", "list"],
    "sandbox-list-json": ["sandbox", "list", "-o", "json"],
    "sandbox-list-ids": ["sandbox", "list", "--ids", "--limit", "2"],
    "sandbox-list-names": ["sandbox", "list", "--names"],
    "sandbox-get": ["sandbox", "get", "demo"],
    "sandbox-get-yaml": ["sandbox", "get", "demo", "-o", "yaml"],
    "sandbox-get-policy-only": ["sandbox", "get", "demo", "--policy-only"],
    "sandbox-inspect": ["sandbox", "inspect", "demo"],
    "sandbox-inspect-json": ["sandbox", "inspect", "demo", "-o", "json"],
    "sandbox-inspect-failed": ["sandbox", "inspect", "failed"],
    "sandbox-inspect-early": ["sandbox", "inspect", "early"],
    "sandbox-inspect-old-id": ["sandbox", "inspect", "01JQ0000000000000000000001"],
    "sandbox-delete-unknown": ["sandbox", "delete", "nobody"],
    "logs": ["logs", "demo"],
    "logs-last": ["logs", "demo", "-n", "1"],
    "logs-json": ["logs", "demo", "-n", "1", "-o", "json"],
    "policy-diff": ["policy", "diff", "demo", "STATE/weaker.json"],
    "policy-diff-json": ["policy", "diff", "demo", "STATE/weaker.json", "-o", "json"],
    "policy-diff-same": ["policy", "diff", "demo", "failed"],
    "policy-diff-policy": ["policy", "diff", "demo", f"STATE/openshell/runs/{DEMO}/policy.yaml"],
    "policy-default": ["policy", "default"],
    "unknown-verb": ["polcy"],
    "unknown-option": ["sandbox", "list", "--nams"],
    "no-verb": [],
}
"""What is kept, by the name of its file; STATE stands for the folder that ``make_state`` fills."""

POLICY = """\
version: 1
filesystem_policy:
  include_workdir: false
  read_only: [/srv/models, /srv/missing]
  read_write: ["/srv/out put"]
network_policies:
  api: {endpoints: [{host: api.example.com, port: 443}], binaries: [{path: /usr/bin/curl}]}
"""
DECLARED = {
    "version": 1,
    "filesystem_policy": {
        "include_workdir": False,
        "read_only": ["/srv/models", "/srv/missing"],
        "read_write": ["/srv/out put"],
    },
    "network_policies": {
        "api": {
            "endpoints": [{"host": "api.example.com", "port": 443}],
            "binaries": [{"path": "/usr/bin/curl"}],
        }
    },
}
IDS = {
    "old": "01JQ0000000000000000000001",
    "demo": DEMO,
    "failed": "01JQ0000000000000000000003",
    "early": "01JQ0000000000000000000004",
}
WITHOUT_SOCKETS = tuple(right for right in READ_WRITE if right != "resolve_unix")
LOGGING = ("same_exec_off", "new_exec_on")


def grant(path, access, origin, reason, **more):
    """Return a grant that was enforced in full, unless ``more`` says otherwise."""
    values = {"resolved": path, "actual": access, "status": "enforced", **more}
    return Grant(id=grant_id(origin, path), path=path, access=access, origin=origin, reason=reason, **values)


def grants():
    """Return one grant of every kind and every status."""
    read_only, read_write = Origin("declared", "read_only", "p.yaml", 4), Origin("declared", "read_write", "p.yaml", 5)
    process, gpu = Origin("baseline", "process"), Origin("baseline", "gpu")
    missing = {"resolved": None, "actual": (), "status": "skipped"}
    covered = Detail(covered_by=grant_id(process, "/etc"), message="it lies beneath a granted folder")
    return (
        grant("/srv/models", READ_ONLY, read_only, "declared read_only", resolved="/mnt/models"),
        grant("/srv/missing", READ_ONLY, read_only, "declared read_only", **missing,
              detail=Detail(2, None, "not there")),
        grant("/srv/out put", READ_WRITE, read_write, "declared read_write", actual=WITHOUT_SOCKETS),
        grant("/etc", READ_ONLY, process, "configuration of the system"),
        grant("/tmp", READ_WRITE, process, "a private folder for temporary files", actual=WITHOUT_SOCKETS),
        grant("/etc/esc\x1b[31m\u202e", READ_ONLY, process, "a hostile name", actual=(), status="covered",
              detail=covered),
        grant("/dev/nvidiactl", ("read_file", "write_file", "ioctl_dev"), gpu, "controls every GPU", **missing),
        grant("/home/me/.venv", READ_ONLY, Origin("baseline", "command"), "the command's environment", actual=(),
              status="blocked", detail=Detail(13, None, "execute, read_dir: /home/me is closed to uid 61184")),
        grant("/proc", ("write_file",), Origin("runtime", "cuda-thread-names"),
              "cuInit() names its threads through /proc/self/task/<tid>/comm"),
        grant("/proc/<own-pid>/task/<own-tid>/comm", ("write_file",), Origin("runtime", "cuda-thread-names"),
              "the broker opens them", resolved=None, mechanism="broker"),
    )  # fmt: skip


SYSCALLS = tuple(
    {"syscall": syscall, "when": when, "action": action, "reason": reason}
    for syscall, when, action, reason in (
        ("ptrace", "always", "errno:EPERM", "A reason of its time."),
        ("socket", "the family is AF_VSOCK", "errno:EAFNOSUPPORT", "It leads out."),
        ("socket", "the type is SOCK_RAW", "errno:EPERM", "It forges packets."),
        ("memfd_create", "always", "allow", "CUDA needs it; it can hold code."),
        ("openat", "the access mode is O_RDWR", "notify", "CUDA names threads."),
    )
)


def effective(name, state):
    """Return an effective policy in which every section says something."""
    return Effective(
        name=name,
        run_id=IDS[name],
        declared=DECLARED,
        file="p.yaml",
        source_sha256="5a" * 32,
        identity=Identity(61184, 61184, (44,), "dynamic"),
        grants=grants(),
        network=Network(
            "none",
            "network namespace",
            (NetworkEntry("api", "api.example.com:443", "skipped", "enforced as deny-all"),),
        ),
        isolation={
            "pid": Isolation("private", "pid namespace"),
            "mount": Isolation("private", "mount namespace"),
            "pathname_sockets": Isolation("open", "this kernel's Landlock cannot (needs ABI 9)"),
        },
        landlock=LandlockReport(
            "best_effort",
            7,
            tuple(right for right in (*READ_WRITE, "ioctl_dev") if right != "resolve_unix"),
            (Dropped("resolve_unix", 9, "Unix sockets can be connected to by path.", "mount namespace"),),
            KernelLog("denials", LOGGING, ("/root",)),
        ),
        seccomp=SeccompReport("c0" * 32, 31, SYSCALLS),
        findings=(
            Finding("network.not-enforced", "Low", "api.example.com:443 is not reachable", None, None),
            Finding(
                "runtime.write-file",
                "High",
                "1,628 files under /proc can be opened for writing",
                "set runtime.cuda_thread_names: off",
                "runtime/cuda-thread-names:/proc",
            ),
        ),
        state=state,
    )


def weaker():
    """Return the effective policy of ``demo`` as it could be on an older kernel, after its policy was widened."""
    strong = effective("demo", "exited")
    moved = grant("/srv/models", READ_WRITE, Origin("declared", "read_write", "p.yaml", 4), "declared read_write",
                  resolved="/mnt/models", actual=WITHOUT_SOCKETS)  # fmt: skip
    gap = Dropped("ioctl_dev", 5, "Every ioctl is allowed on any device that can be opened.")
    return strong.replace(
        declared={**DECLARED, "filesystem_policy": {"read_only": ["/srv/missing"], "read_write": ["/srv/models"]}},
        grants=(moved, *strong.grants[1:]),
        isolation={**strong.isolation, "pid": Isolation("open", "none")},
        landlock=LandlockReport("best_effort", 4, READ_WRITE[:-1], (gap, *strong.landlock.dropped)),
        seccomp=SeccompReport("c1" * 32, 29, SYSCALLS[1:]),
        findings=(
            *strong.findings,
            Finding("isolation.pid-open", "Medium", "processes \x1b outside are seen in /proc"),
        ),
    )


def receipt(shape):
    """Return a receipt that fits an effective policy."""
    return {
        "schema": "pyopenshell.receipt/1",
        "effective_digest": shape["digest"],
        "steps": [
            {"n": 1, "name": "descriptors", "result": "done", "errno": 0},
            {"n": 12, "name": "landlock", "result": "enforced", "errno": 0},
        ],
        "rules": [
            {
                "grant": given["id"],
                "dev": 2049,
                "ino": 100 + number,
                "requested": given["access"],
                "actual": given["actual"],
                "errno": 0 if given["actual"] else 22,
            }
            for number, given in enumerate(shape["grants"])
            if given["status"] in ("enforced", "blocked") and given["mechanism"] == "landlock"
        ],
        "credentials": {"uid": 61184, "gid": 61184, "groups": [44], "capabilities": "0" * 16, "no_new_privs": True},
        "namespaces": {"user": None, "mount": 4026532201, "pid": 4026532202, "net": 4026532203, "ipc": 4026532204},
        "landlock": {"log": list(LOGGING), "quiet": [{"path": "/root", "dev": 2049, "ino": 7, "errno": 0}]},
        "seccomp": {"sha256": "c0" * 32, "mode": 2},
        "canary": {"path": "/", "errno": 13},
        "thread_names": {"mechanism": "broker", "why": "a trial just used it"},
        "broker": {"grants": [shape["grants"][-1]["id"]], "own": True, "pid": 4711, "killable": True, "in_step": True},
        "supervisor_checks": [
            {"name": "uid", "expected": "61184", "observed": "61184", "ok": True},
            {"name": "seccomp", "expected": "2", "observed": "0", "ok": False},
        ],
    }


def make_state(root):
    """Write run records under ``root``: finished, failed, without an end, and an older run of a name."""
    folder = Path(root, "openshell")
    for part in ("", "runs", "names"):
        (folder / part).mkdir(mode=0o700)
    parts = {"demo": effective("demo", "running").as_dict(), "failed": effective("failed", "failed").as_dict()}
    ends = {
        "old": {"code": 137, "signal": 9, "exec_errno": None, "lost": "the sandbox was ended because the broker died"},
        "demo": {
            "code": 3,
            "signal": None,
            "exec_errno": None,
            "broker": {"by_kind": {"granted": 12, "passed": 3, "flags": 0, "other-process": 1}, "untold": 2},
        },
        "failed": {"code": 125, "signal": None, "error": {"code": "launch.failed", "message": "step 'mounts': EPERM"}},
    }
    for key, identifier in IDS.items():
        name = "demo" if key == "old" else key
        run = folder / "runs" / identifier
        run.mkdir(mode=0o700)
        meta = {
            "schema": "pyopenshell.run/1",
            "id": identifier,
            "name": name,
            "command": ["sh", "-c", f"echo '{key}' \x1b[2J"],
            "executable": "/usr/bin/dash",
            "workdir": "/srv",
            "environment": ["HOME", "PATH"],
            "gpu": 0,
        }
        (run / "meta.json").write_text(json.dumps(meta))
        (run / "policy.yaml").write_text(POLICY)
        if key in parts:
            (run / "effective.json").write_text(json.dumps(parts[key]))
        if key in ends:
            (run / "exit.json").write_text(json.dumps(ends[key]))
        (folder / "names" / name).unlink(missing_ok=True)
        (folder / "names" / name).symlink_to(f"../runs/{identifier}")
    run = folder / "runs" / IDS["demo"]
    (run / "receipt.json").write_text(json.dumps(receipt(parts["demo"])))
    Path(root, "weaker.json").write_text(json.dumps(weaker().as_dict()))
    (run / "events.jsonl").write_text('{"class_uid": 6002}\n{"class_uid": 1007}\n')
    (run / "events.log").write_text("00:00 OCSF LIFECYCLE:START [INFO] demo\n00:01 OCSF PROC:EXIT [INFO] \x1b[2J 3\n")


def transcript(argv, root):
    """Return what a command line prints on these records, and its exit code, as a transcript."""
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("XDG_STATE_HOME", str(root))
        patch.setenv("XDG_CONFIG_HOME", f"{root}/config")
        for name in [name for name in os.environ if name.startswith("OPENSHELL_GATEWAY")]:
            patch.delenv(name)
        patch.delenv("OPENSHELL_DEBUG", raising=False)
        patch.setenv("COLUMNS", "80")
        code = main([word.replace("STATE", os.fspath(root)) for word in argv])
    parts = [f"$ openshell {' '.join(argv)}\n"]
    for name, stream in (("", out), ("--- stderr\n", err)):
        stream.flush()
        text = stream.buffer.getvalue().decode()
        parts += [name, text] if text else []
    return "".join([*parts, f"--- exit code {code}\n"]).replace(os.fspath(root), "STATE")


def write_golden():
    """Write every golden file anew."""
    import tempfile

    GOLDEN.mkdir(exist_ok=True)
    for old in GOLDEN.glob("*.txt"):
        old.unlink()
    with tempfile.TemporaryDirectory() as root:
        make_state(root)
        for name, argv in COMMANDS.items():
            (GOLDEN / f"{name}.txt").write_text(transcript(argv, root), encoding="utf-8")
