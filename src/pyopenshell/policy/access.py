"""What the words of a policy grant, as Landlock access right names (landlock(7)).

The rights that a kernel really has are another matter: ``landlock.downgrade`` answers that one.
"""

from __future__ import annotations

READ_ONLY: tuple[str, ...] = ("execute", "read_file", "read_dir")
"""What ``read_only`` grants."""

READ_WRITE: tuple[str, ...] = (
    *READ_ONLY,
    "write_file",
    "truncate",
    "refer",
    "remove_file",
    "remove_dir",
    "make_dir",
    "make_reg",
    "make_sym",
    "make_fifo",
    "make_sock",
    "resolve_unix",
)
"""What ``read_write`` grants: never make_char or make_block, and ioctl_dev only for devices."""

DEVICE: tuple[str, ...] = ("read_file", "write_file", "ioctl_dev")
"""What a device node is granted: open it either way and issue its ioctls."""

THREAD_NAMES: tuple[str, ...] = ("write_file",)
"""Exactly what CUDA's thread names need beneath ``/proc``."""
