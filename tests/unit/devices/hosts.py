"""A host of the test's own: real device nodes in a folder, and what a driver would say beside them."""

import os
import stat
from pathlib import Path

import pytest

NULL = os.makedev(1, 3)
INFORMATION = """\
Model: \t\t {model}
IRQ:   \t\t 130
GPU UUID: \t {uuid}
Video BIOS: \t 96.00.74.00.01
Bus Type: \t PCIe
DMA Size: \t 52 bits
DMA Mask: \t 0xfffffffffffff
Bus Location: \t {bus}
Device Minor: \t {minor}
GPU Firmware: \t 570.86.15
GPU Excluded:\t {excluded}
"""
"""What nv_procfs_read_gpu_info of the driver's nv-procfs.c prints."""


class Host:
    """A root with its own ``dev``, ``proc`` and ``sys``."""

    def __init__(self, root: Path) -> None:
        self.dev, self.proc, self.sys = root / "dev", root / "proc", root / "sys"
        self.dev.mkdir()

    @property
    def roots(self) -> tuple[str, str, str]:
        """The three folders, as ``inventory.read`` takes them."""
        return str(self.dev), str(self.proc), str(self.sys)

    def nodes(self, *names: str) -> None:
        """Make character devices."""
        for name in names:
            path = self.dev / name
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, NULL)
            except PermissionError:
                pytest.skip("needs: CAP_MKNOD")

    def text(self, path: Path, text: str | bytes) -> None:
        """Make a file and the folders above it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def card(
        self, bus: str, minor: object, uuid: str = "GPU-0", model: str = "NVIDIA H200", excluded: str = "No"
    ) -> None:
        """Let the driver know a GPU."""
        text = INFORMATION.format(model=model, uuid=uuid, bus=bus, minor=minor, excluded=excluded)
        self.text(self.proc / "driver/nvidia/gpus" / bus / "information", text)

    def instance(self, minor: int, gpu_instance: int, compute_instance: int, caps: tuple[int, int]) -> None:
        """Let the driver know a MIG instance, with the numbers of its two capabilities."""
        folder = self.proc / f"driver/nvidia/capabilities/gpu{minor}/mig/gi{gpu_instance}"
        self.text(folder / "access", f"DeviceFileMinor: {caps[0]}\nDeviceFileMode: 292\nDeviceFileModify: 1\n")
        self.text(folder / f"ci{compute_instance}/access", f"DeviceFileMinor: {caps[1]}\nDeviceFileMode: 292\n")
