"""Every code of ``openshell doctor``: its group, the severities it can have, and what it means. docs/doctor.md has it.

Severities grade this host, not a sandbox: ``Critical`` stops every sandbox, ``High`` every sandbox with a GPU,
``Medium`` and ``Low`` leave one that works with less, ``Informational`` asks for nothing.
"""

from __future__ import annotations

from pyopenshell.record import Record

INFO, LOW, MEDIUM, HIGH, CRITICAL = SEVERITIES = ("Informational", "Low", "Medium", "High", "Critical")
"""The words of the effective policy, mildest first."""
OK, WARN, FAIL = "ok", "warn", "fail"
STATUS = {INFO: OK, LOW: WARN, MEDIUM: WARN, HIGH: FAIL, CRITICAL: FAIL}

GROUPS = {
    "kernel": "kernel",
    "process": "this process",
    "gpu": "gpus",
    "driver": "nvidia driver",
    "cdi": "cdi specs",
    "engines": "container engines",
    "cgroups": "cgroups",
    "surroundings": "surroundings",
}
"""The groups in their order, with their headings."""
GPU_GROUPS = ("gpu", "driver", "cdi")
"""The groups that matter to a sandbox with a GPU alone."""


class Code(Record):
    """One code. ``severities`` is every one it can have, the usual one first; a ``quiet`` one is not in the table."""

    code: str
    group: str
    severities: tuple[str, ...]
    meaning: str
    quiet: bool = False


_NODE = (HIGH, MEDIUM, LOW)
"""A node without which no GPU works, one without which this GPU does not, one that some programs miss."""

CODES: tuple[Code, ...] = (
    Code("kernel.ok", "kernel", (INFO,), "The release of the kernel."),
    Code("architecture.ok", "kernel", (INFO,), "The machine is one whose system calls are known."),
    Code("architecture.unknown", "kernel", (CRITICAL,), "No syscall filter can be built for this machine."),
    Code("landlock.ok", "kernel", (INFO,), "Landlock is there, with what keeps signals in."),
    Code("landlock.old", "kernel", (MEDIUM,), "Landlock is there, and lacks rights that reports then name."),
    Code("landlock.missing", "kernel", (CRITICAL,), "Nothing would confine a command."),
    Code("enforcement.ok", "kernel", (INFO,), "A throwaway process was confined, and denied."),
    Code("enforcement.broken", "kernel", (CRITICAL,), "A throwaway process was confined, and was not denied."),
    Code("seccomp.ok", "kernel", (INFO,), "Syscall filters can be installed."),
    Code("seccomp.missing", "kernel", (CRITICAL,), "Syscall filters cannot be installed."),
    Code("namespace.ok", "kernel", (INFO,), "A throwaway process made a namespace of this kind."),
    Code(
        "namespace.unavailable", "kernel", (MEDIUM,), "A namespace of this kind cannot be made: sandboxes do without."
    ),
    Code("namespace.closed", "kernel", (LOW,), "A setting closes user namespaces to ordinary users."),
    Code("yama.ok", "kernel", (INFO,), "Who may look into whose memory; whether the broker can is the next row's."),
    Code("broker.ok", "kernel", (INFO,), "A throwaway process named its thread through the broker, as CUDA does."),
    Code("broker.unavailable", "kernel", (MEDIUM,), "Sandboxes with a GPU may write more of /proc instead."),
    Code("identity.ok", "process", (INFO,), "Whom sandboxes run as."),
    Code("identity.no-setuid", "process", (CRITICAL,), "Root cannot leave uid 0, and no sandbox runs with it."),
    Code("state.ok", "process", (INFO,), "A file was written where run records go, and removed."),
    Code("state.unusable", "process", (CRITICAL,), "Run records cannot be written."),
    Code("interpreter.ok", "process", (INFO,), "The Python that runs this command."),
    Code("interpreter.closed", "process", (LOW,), "A folder keeps the sandbox's user from this Python."),
    Code("terminal.ok", "process", (INFO,), "Whether there is a terminal to give to a sandbox."),
    Code("sandbox.ok", "process", (INFO,), "`true` ran in a sandbox of the built-in default policy."),
    Code("sandbox.untried", "process", (LOW,), "No sandbox could be tried here; nothing else speaks against one."),
    Code("sandbox.failed", "process", (CRITICAL,), "`true` did not run in a sandbox of the built-in default policy."),
    Code("gpu.ok", "gpu", (INFO,), "The GPUs that device nodes stand for."),
    Code("gpu.none", "gpu", (INFO,), "No device node of a GPU, and nobody asked for one."),
    Code("gpu.missing", "gpu", (HIGH,), "No device node of a GPU, and `--gpu` asks for one."),
    Code("gpu.no-driver", "gpu", (MEDIUM,), "An NVIDIA GPU is in the machine, and has no device node here."),
    Code("gpu.node-ok", "gpu", (INFO,), "The sandbox's user opened this device node."),
    Code("gpu.node-admin", "gpu", (INFO,), "This node manages all GPUs of the host: it is never granted."),
    Code("gpu.node-untried", "gpu", (LOW,), "This process cannot become the sandbox's user to try it."),
    Code("gpu.node-missing", "gpu", _NODE, "A node that the GPU's driver makes beside it is not there."),
    Code("gpu.node-mode", "gpu", _NODE, "The file mode keeps the sandbox's user out."),
    Code("gpu.node-cgroup", "gpu", _NODE, "The device cgroup of this container, job or service keeps everybody out."),
    Code("gpu.node-denied", "gpu", _NODE, "The mode allows it, and something else denies it."),
    Code("gpu.node-dead", "gpu", _NODE, "No driver answers behind this node."),
    Code("gpu.node-failed", "gpu", _NODE, "The driver answers with an error."),
    Code("gpu.node-busy", "gpu", _NODE, "Another program has this device for itself."),
    Code("gpu.node-hangs", "gpu", _NODE, "The driver did not answer in time."),
    Code("gpu.sandbox-ok", "gpu", (INFO,), "`true` ran in a sandbox with a GPU, and its device nodes were granted."),
    Code(
        "gpu.sandbox-failed",
        "gpu",
        (HIGH,),
        "`true` did not run in a sandbox with a GPU, or a node that CUDA needs was not granted.",
    ),
    Code("driver.none", "driver", (INFO,), "Neither NVIDIA's kernel module nor its libraries.", quiet=True),
    Code("driver.ok", "driver", (INFO,), "The kernel module and the libraries are of one version."),
    Code("driver.not-loaded", "driver", (HIGH, LOW), "NVIDIA's kernel module does not run, or cannot be seen to."),
    Code("driver.no-libcuda", "driver", (HIGH,), "libcuda.so.1 is nowhere: CUDA cannot start."),
    Code("driver.no-nvml", "driver", (LOW,), "libnvidia-ml.so.1 is nowhere: nvidia-smi and NVML cannot start."),
    Code("driver.mismatch", "driver", (HIGH, MEDIUM), "The library is of another version than the kernel module."),
    Code("driver.not-in-cache", "driver", (MEDIUM,), "The loader does not find the library by itself."),
    Code("driver.stub", "driver", (HIGH,), "The loader finds the toolkit's stub, which is for linking only."),
    Code("driver.unreadable", "driver", (HIGH, LOW), "The sandbox's user cannot read the library."),
    Code(
        "persistenced.none", "driver", (INFO,), "NVIDIA's persistence daemon does not run: none is needed.", quiet=True
    ),
    Code("persistenced.ok", "driver", (INFO,), "The sandbox's user reached NVIDIA's persistence daemon."),
    Code("persistenced.stale", "driver", (INFO,), "Nobody answers behind the socket: harmless."),
    Code("persistenced.untried", "driver", (LOW,), "This process cannot become the sandbox's user to try it."),
    Code("persistenced.denied", "driver", (HIGH,), "The socket is there, and denied: CUDA and NVML then fail."),
    Code("cdi.none", "cdi", (INFO,), "No CDI specs, and no NVIDIA GPU they could be about.", quiet=True),
    Code("cdi.no-specs", "cdi", (LOW,), "No CDI specs: engines resolve no device name; sandboxes use the nodes above."),
    Code("cdi.folder-unreadable", "cdi", (LOW,), "A folder of specs cannot be read."),
    Code("cdi.ok", "cdi", (INFO,), "The device names that resolve."),
    Code("cdi.faults", "cdi", (MEDIUM, LOW), "Specs are refused, or do not mean what one would think."),
    Code("cdi.uncovered", "cdi", (LOW,), "A GPU is in no spec: sandboxes get its node by the table of nodes."),
    Code("engine.none", "engines", (INFO,), "No container engine: a sandbox needs none.", quiet=True),
    Code("engine.ok", "engines", (INFO,), "An engine, whether CDI is on in it, NVIDIA's runtime, its socket."),
    Code("engine.cdi-off", "engines", (LOW, INFO), "The engine knows CDI, and it is switched off."),
    Code("engine.cdi-too-old", "engines", (LOW, INFO), "The engine is older than CDI in it."),
    Code("engine.config", "engines", (LOW,), "A configuration file is not what the engine can read."),
    Code("engine.config-unreadable", "engines", (INFO,), "A configuration file may not be read by this user."),
    Code("cgroup.ok", "cgroups", (INFO,), "The version, this process's cgroup, the controllers it could hand on."),
    Code("cgroup.none", "cgroups", (LOW,), "No cgroup file system: no limits of CPU and memory."),
    Code("cgroup.not-writable", "cgroups", (LOW,), "This user may make no cgroup beneath this one: no limits."),
    Code("cgroup.no-controllers", "cgroups", (LOW,), "Controllers that limit CPU, memory or processes are missing."),
    Code("cgroup.devices", "cgroups", (INFO,), "Rules about devices are in force."),
    Code("surroundings.none", "surroundings", (INFO,), "Nothing around this process that matters.", quiet=True),
    Code("surroundings.container", "surroundings", (INFO,), "This is inside a container."),
    Code("surroundings.wsl", "surroundings", (INFO,), "This is Windows' Linux (WSL2)."),
    Code("surroundings.tegra", "surroundings", (INFO,), "This is a Tegra: its GPU is part of the processor."),
    Code("surroundings.visible", "surroundings", (INFO,), "A variable narrows the GPUs that programs see."),
    Code("surroundings.visible-none", "surroundings", (MEDIUM,), "A variable leaves no GPU, or names none there is."),
    Code("doctor.untried", "surroundings", (MEDIUM,), "A group of checks failed by itself: a defect of ours."),
)
BY_CODE = {code.code: code for code in CODES}


class Check(Record):
    """One finding: what was looked at, how it turned out, what was seen, and what to do about it.

    ``steps`` are commands as a person types them, in their order; ``hint`` is a sentence.
    """

    group: str
    name: str
    code: str
    status: str
    severity: str
    evidence: str
    hint: str | None = None
    steps: tuple[str, ...] = ()


def check(
    code: str,
    name: str,
    evidence: str,
    hint: str | None = None,
    steps: tuple[str, ...] = (),
    *,
    severity: str | None = None,
) -> Check:
    """Return the check of a code; its group and, without ``severity``, its severity are the table's.

    Raises ValueError for a severity that the table does not give to this code.
    """
    row = BY_CODE[code]
    severity = severity or row.severities[0]
    if severity not in row.severities:
        raise ValueError(f"{code} is never {severity}")
    return Check(row.group, name, code, STATUS[severity], severity, evidence, hint, steps)
