"""The device nodes of GPUs: which are there, which are missing, and which the sandbox's user can really open."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from pyopenshell.cli.doctor import opening, who
from pyopenshell.cli.doctor.codes import HIGH, LOW, MEDIUM, Check, check
from pyopenshell.devices import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyopenshell.cli.doctor.roots import Roots
    from pyopenshell.devices.host import Device
    from pyopenshell.effective.model import Identity

BESIDE = {"nvidiactl": HIGH, "nvidia-uvm": HIGH, "nvidia-uvm-tools": MEDIUM, "nvidia-modeset": LOW}
"""How much the absence of each of NVIDIA's control nodes costs: the first two are what nothing works without."""
FATAL_DENIALS = ("nvidia-uvm-tools",)
"""Nodes that recent drivers do without, and whose denial they take for fatal."""
UVM = ("nvidia-uvm", "nvidia-uvm-tools")
_OTHER_ERRORS = {
    errno.ENXIO: "gpu.node-dead",
    errno.ENODEV: "gpu.node-dead",
    errno.EBUSY: "gpu.node-busy",
    errno.ETIMEDOUT: "gpu.node-hangs",
}
"""The codes of what opening answers, but for denials; of anything else it is ``gpu.node-failed``."""
DEVICE_CGROUP = (
    "the device cgroup around this process has no rule for it: whoever starts this container, job or service must "
    "give it the device (docker and podman: --device; Slurm: --gres=gpu:1; systemd: DeviceAllow=)"
)


def checks(devices: Sequence[Device], identity: Identity, roots: Roots, *, contained: bool = False) -> Iterator[Check]:
    """Check every node, then name those that should be beside them. Without devices there is nothing to check.

    ``contained``: this is a container, where whoever started it decides which nodes there are.
    """
    tried = [device for device in devices if device.role != "admin"]
    answers = opening.outcomes(identity, [(_kind(device), device.path) for device in tried])
    outcome = {device.path: answers[_kind(device), device.path] for device in tried}
    usable = any(not outcome[device.path] for device in nodes.gpus(tuple(devices)))
    for device in devices:
        if device.role == "admin":
            seen = f"{_described(device.path)}; not tried"
            yield check("gpu.node-admin", device.path, seen)
        else:
            yield _node(device, outcome[device.path], identity, roots, _cost(device, usable=usable))
    yield from _missing(devices, roots, contained=contained)


def _kind(device: Device) -> str:
    """Return how a node is opened: a capability for reading, which is all that its mode gives, others for both."""
    return opening.READ if device.role == "caps" else opening.READ_WRITE


def _cost(device: Device, *, usable: bool) -> str:
    """Return the severity of not having this node. ``usable``: another GPU can be opened."""
    if device.role == "caps":
        return MEDIUM
    if device.role == "gpu":
        return MEDIUM if usable else HIGH
    return cost(device.path, there=True)


def cost(path: str, *, there: bool) -> str:
    """Return the severity of a node that cannot be used; ``there``: it is denied, or its driver fails."""
    name = os.path.basename(path)
    return HIGH if there and name in FATAL_DENIALS else BESIDE.get(name, HIGH)


def _node(device: Device, number: int, identity: Identity, roots: Roots, severity: str) -> Check:
    """Return the check of one node that was tried."""
    described = _described(device.path)
    if number == 0:
        return check("gpu.node-ok", device.path, f"{described}; opened as {who.words(identity)}")
    if number == opening.UNTRIED:
        return check("gpu.node-untried", device.path, f"{described}; this process cannot become {who.words(identity)}")
    answer = errno.errorcode.get(number, str(number))
    seen = f"{described}; {device.role} node; open as {who.words(identity)}: {answer}"
    if number == errno.EACCES:
        try:
            status = os.stat(device.path)
        except OSError:
            status = None
        if status is not None and not _mode_allows(status, identity, read_only=device.role == "caps"):
            hint, steps = _mend_mode(device, status, identity, roots)
            return check("gpu.node-mode", device.path, seen, hint, tuple(steps), severity=severity)
        hint = (
            "its mode allows it: an access control list, a mount without devices (nodev) or a security module denies it"
        )
        steps = (f"getfacl {device.path}", f"findmnt -T {device.path}", "sudo dmesg | grep -i denied")
        return check("gpu.node-denied", device.path, seen, hint, tuple(steps), severity=severity)
    if number == errno.EPERM:
        return check("gpu.node-cgroup", device.path, seen, DEVICE_CGROUP, (), severity=severity)
    code = _OTHER_ERRORS.get(number, "gpu.node-failed")
    return check(code, device.path, seen, *_mend_driver(code, device), severity=severity)


def _described(path: str) -> str:
    """Return mode, owner, group and number, as ls prints them."""
    try:
        status = os.stat(path)
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    owner, group = who.account(status.st_uid) or status.st_uid, who.group_name(status.st_gid)
    number = f"{os.major(status.st_rdev)}, {os.minor(status.st_rdev)}"
    return f"{stat.filemode(status.st_mode)} {owner}:{group} ({number})"


def _mode_allows(status: os.stat_result, identity: Identity, *, read_only: bool) -> bool:
    """Tell whether the mode alone lets the identity in: of owner, group and others the first that fits decides."""
    wanted = 4 if read_only else 6
    if status.st_uid == identity.uid:
        bits = status.st_mode >> 6
    elif status.st_gid in (identity.gid, *identity.groups):
        bits = status.st_mode >> 3
    else:
        bits = status.st_mode
    return bits & wanted == wanted


def _mend_mode(device: Device, status: os.stat_result, identity: Identity, roots: Roots) -> tuple[str, tuple[str, ...]]:
    """Return hint and steps for a node whose mode denies: join its group, else have the driver make it otherwise."""
    wanted = 0o040 if device.role == "caps" else 0o060
    group = who.group_name(status.st_gid)
    if status.st_mode & wanted == wanted and status.st_gid != 0:
        user = who.account(identity.uid)
        if user is None and identity.source == "caller":
            return (
                f"only the group {group} may, and uid {identity.uid} has no account: whoever starts this process must "
                f"give it the group (docker and podman: --group-add {status.st_gid})"
            ), ()
        if user is None:
            return (
                f"only the group {group} may: a sandbox that root starts runs as the account sandbox where there is "
                "one, or as process.run_as_user of its policy",
                (f"sudo useradd --system --groups {group} --shell /usr/sbin/nologin sandbox",),
            )
        hint = f"only the group {group} may: put {user} into it"
        again = f"; {user} must log in again" if identity.source == "caller" else ""
        return hint + again, (f"sudo usermod --append --groups {group} {user}",)
    if device.role == "caps":
        return "only root may: nvidia-modprobe makes capabilities readable to the instance's users", (
            "sudo nvidia-smi mig -lgi",
            f"sudo chmod a+r {device.path}",
        )
    if device.vendor == "nvidia":
        seen = _parameters(roots)
        said = f" (now: {seen})" if seen else ""
        return f"NVIDIA's driver makes its nodes as its module's parameters say{said}", (
            "echo 'options nvidia NVreg_DeviceFileMode=0666' | sudo tee /etc/modprobe.d/nvidia-device-nodes.conf",
            f"sudo chmod 0666 {device.path}",
        )
    return "its group may not either: a rule of udev says otherwise, for good", (
        f'echo \'KERNEL=="{os.path.basename(device.path)}", GROUP="render", MODE="0660"\''
        " | sudo tee /etc/udev/rules.d/70-gpu.rules",
        "sudo udevadm control --reload && sudo udevadm trigger",
    )


def _parameters(roots: Roots) -> str:
    """Return what NVIDIA's module was told about its nodes (/proc/driver/nvidia/params), the mode in octal."""
    found = {}
    for line in roots.text(f"{roots.proc}/driver/nvidia/params").splitlines():
        key, _, value = line.partition(":")
        found[key.strip()] = value.strip()
    mode = found.get("DeviceFileMode", "")
    told = [f"mode {int(mode):04o}"] if mode.isdecimal() else []
    told += [f"{key[-3:]} {found[key]}" for key in ("DeviceFileUID", "DeviceFileGID") if found.get(key, "0") != "0"]
    return ", ".join(told)


def _mend_driver(code: str, device: Device) -> tuple[str, tuple[str, ...]]:
    """Return hint and steps for a node whose driver does not serve."""
    if code == "gpu.node-busy":
        return "another program holds it alone: a virtual machine, or a mode that lets one program in", (
            f"sudo fuser -v {device.path}",
        )
    if code == "gpu.node-dead" and device.vendor == "nvidia":
        module = "nvidia-uvm" if os.path.basename(device.path) in UVM else "nvidia"
        return "the node is left over, or of another number: its driver is not loaded, or has lost the GPU", (
            f"sudo modprobe {module}",
            "sudo nvidia-modprobe -c 0 -u",
            "nvidia-smi -L",
        )
    if device.vendor == "nvidia":
        return "the driver cannot start this GPU: its log says why", (
            "sudo dmesg | grep -iE 'nvrm|xid'",
            "nvidia-smi -q",
        )
    return "the driver cannot serve it: its log says why", ("sudo dmesg | tail -n 50",)


def _missing(devices: Sequence[Device], roots: Roots, *, contained: bool) -> Iterator[Check]:
    """Name the control nodes that are not beside a GPU of their vendor, with what makes them."""
    vendors = {device.vendor for device in nodes.gpus(tuple(devices))}
    there = {device.path for device in devices}
    for row in nodes.ROWS:
        path = f"{roots.dev}/{row.pattern}"
        if row.role != "control" or row.vendor not in vendors or path in there:
            continue
        severity = cost(path, there=False)
        seen, steps = "not there", []
        if row.pattern in UVM and not os.path.isdir(f"{roots.sys}/module/nvidia_uvm"):
            seen, steps = "not there; the module nvidia-uvm is not loaded", ["sudo modprobe nvidia-uvm"]
        if row.vendor == "nvidia":
            steps.append(
                "sudo nvidia-modprobe -m" if row.pattern == "nvidia-modeset" else "sudo nvidia-modprobe -c 0 -u"
            )
        hint = row.reason.rstrip(".")
        if contained:
            hint += f"; whoever starts this container must give it the node (docker and podman: --device {path})"
            steps = []
        yield check("gpu.node-missing", path, seen, hint, tuple(steps), severity=severity)
