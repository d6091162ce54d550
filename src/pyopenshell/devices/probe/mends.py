"""What to do about an access that CUDA needs and does not get: who denied it decides."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyopenshell.devices.probe import attempt

if TYPE_CHECKING:
    from pyopenshell.devices.probe.needs import Lacking

DEVICE = {
    attempt.MODES: "put who runs this into its group, where that may open it (sudo usermod --append --groups GROUP "
    "USER); else have NVIDIA's module make its nodes for everybody (NVreg_DeviceFileMode=0666 in /etc/modprobe.d, and "
    "until then sudo chmod 0666 {path}); openshell doctor --gpu says which",
    attempt.MOUNT: "put the nodes on a mount without nodev: findmnt -T {path} shows it",
    attempt.CGROUP: "whoever starts this container, job or service must give it the device (docker and podman: "
    "--device {path}; Slurm: --gres=gpu:1; systemd: DeviceAllow={path})",
}
OTHER = {
    "capability": "sudo chmod a+r {path}: capabilities are opened for reading",
    "read": "sudo chmod a+r {path}, and a+x on the folders above it",
    "connect": "sudo chmod a+rw {path}, and a+x on the folders above it",
}
"""For all else, where file modes deny it, by how it is tried."""
DRIVER = "the driver itself answers so: sudo dmesg | grep -iE 'nvrm|xid' has its reason"
LOAD = "no driver answers behind it: sudo modprobe nvidia, sudo nvidia-modprobe -c 0 -u"
GONE = (errno.errorcode[errno.ENXIO], errno.errorcode[errno.ENODEV])


def mend(lacking: Lacking) -> str:
    """Return what to do."""
    need, by = lacking.need, (lacking.by or "").partition(":")[0]
    if need.way in attempt.NODES and lacking.status == "failed":
        return LOAD if lacking.answer in GONE else DRIVER
    if by == attempt.MODES and need.way in OTHER:
        return OTHER[need.way].format(path=need.path)
    if need.way in attempt.NODES and by in DEVICE:
        return DEVICE[by].format(path=need.path)
    return need.mend
