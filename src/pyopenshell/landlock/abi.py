"""Every access right of Landlock ABI 1 to 11, as one table: landlock(7), linux/landlock.h up to Linux 7.3.

ABI 7 (log flags), 8 (all threads at once) and 11 (a flag for no_new_privs) brought no rights.
"""

from __future__ import annotations

from pyopenshell.record import Record

MAX_ABI = 11
"""The newest ABI this table was written for; a newer kernel still takes everything in it."""


class Right(Record):
    """One right. ``kind`` is ``fs``, ``net`` or ``scope``; ``bit`` is its value in that kind's mask.

    ``abi`` is the first to know it. ``on_files``: a rule on something that is not a directory may grant it.
    ``consequence`` says what is not restricted where the kernel lacks it.
    """

    name: str
    kind: str
    bit: int
    abi: int
    on_files: bool
    consequence: str


RIGHTS: tuple[Right, ...] = (
    Right("execute", "fs", 1 << 0, 1, True, "Any file can be executed, as far as file modes allow."),
    Right("write_file", "fs", 1 << 1, 1, True, "Any file can be opened for writing, as far as file modes allow."),
    Right("read_file", "fs", 1 << 2, 1, True, "Any file can be opened for reading, as far as file modes allow."),
    Right("read_dir", "fs", 1 << 3, 1, False, "Any folder can be listed, as far as file modes allow."),
    Right("remove_dir", "fs", 1 << 4, 1, False, "Any empty folder can be removed, as far as file modes allow."),
    Right("remove_file", "fs", 1 << 5, 1, False, "Any file can be removed, as far as file modes allow."),
    Right("make_char", "fs", 1 << 6, 1, False, "Character devices can be made anywhere, given CAP_MKNOD."),
    Right("make_dir", "fs", 1 << 7, 1, False, "Folders can be made anywhere, as far as file modes allow."),
    Right("make_reg", "fs", 1 << 8, 1, False, "Files can be made anywhere, as far as file modes allow."),
    Right("make_sock", "fs", 1 << 9, 1, False, "Unix sockets can be made anywhere, as far as file modes allow."),
    Right("make_fifo", "fs", 1 << 10, 1, False, "Named pipes can be made anywhere, as far as file modes allow."),
    Right("make_block", "fs", 1 << 11, 1, False, "Block devices can be made anywhere, given CAP_MKNOD."),
    Right("make_sym", "fs", 1 << 12, 1, False, "Symbolic links can be made anywhere, as far as file modes allow."),
    Right(
        "refer",
        "fs",
        1 << 13,
        2,
        False,
        "Nothing is opened up: under ABI 1 moving or linking a file into another folder is always denied (EXDEV), "
        "even between folders that are granted. Without Landlock, file modes alone decide.",
    ),
    Right(
        "truncate",
        "fs",
        1 << 14,
        3,
        True,
        "Files that may not be written can still be emptied, by truncate(2) or O_TRUNC, as far as file modes allow.",
    ),
    Right(
        "ioctl_dev",
        "fs",
        1 << 15,
        5,
        True,
        "Every ioctl is allowed on any character or block device that can be opened.",
    ),
    Right(
        "resolve_unix",
        "fs",
        1 << 16,
        9,
        True,
        "Unix sockets of processes outside the sandbox can be connected to by path, as far as file modes allow.",
    ),
    Right("bind_tcp", "net", 1 << 0, 4, False, "TCP sockets can be bound to any port."),
    Right("connect_tcp", "net", 1 << 1, 4, False, "TCP connections can be made to any host and port."),
    Right("bind_udp", "net", 1 << 2, 10, False, "UDP sockets can be bound to any port."),
    Right("connect_send_udp", "net", 1 << 3, 10, False, "UDP datagrams can be sent to any host and port."),
    Right(
        "abstract_unix_socket",
        "scope",
        1 << 0,
        6,
        False,
        "Abstract Unix sockets of processes outside the sandbox can be connected to.",
    ),
    Right(
        "signal",
        "scope",
        1 << 1,
        6,
        False,
        "Signals can be sent to processes outside the sandbox that run as the same user.",
    ),
)
