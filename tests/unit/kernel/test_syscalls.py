"""The system call tables against the kernel's headers, and what ``call`` makes of answers and arguments."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys

import pytest

from pyopenshell import errors
from pyopenshell.kernel import numbers, syscalls
from tests.unit.kernel import headers

# Later than the oldest header these tests run with (Linux 6.1): from scripts/syscall.tbl of Linux 7.3.
NEWER = {
    "cachestat": 451,
    "fchmodat2": 452,
    "map_shadow_stack": 453,
    "futex_wake": 454,
    "futex_wait": 455,
    "futex_requeue": 456,
    "statmount": 457,
    "listmount": 458,
    "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460,
    "lsm_list_modules": 461,
    "mseal": 462,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
    "listns": 470,
    "rseq_slice_yield": 471,
    "fchroot": 472,
}
NEWER_X86_64 = {"uretprobe": 335, "uprobe": 336}
# What arch/arm64/include/uapi/asm/unistd.h defined until the tables replaced it.
AARCH64 = ("RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "TIME32_SYSCALLS", "SYS_CLONE3", "MEMFD_SECRET")

HEADERS = {
    "x86_64": ("x86_64-linux-gnu/asm/unistd_64.h", (), {**NEWER, **NEWER_X86_64}),
    "aarch64": ("asm-generic/unistd.h", [f"__ARCH_WANT_{name}" for name in AARCH64], NEWER),
}


@pytest.mark.parametrize("architecture", HEADERS)
def test_table_is_the_header(architecture: str):
    """Each table holds exactly the header's calls and those listed above as newer."""
    header, defines, newer = HEADERS[architecture]
    if not os.path.exists(f"/usr/include/{header}"):
        pytest.skip(f"needs: {header}")
    expected = headers.system_calls(header, defines)
    for not_a_call in ("syscalls", "arch_specific_syscall"):
        expected.pop(not_a_call, None)
    assert expected
    assert {**newer, **expected} == numbers.table(architecture)


@pytest.mark.parametrize("architecture", numbers.ROWS)
def test_no_number_twice(architecture: str):
    """Two names never share a number."""
    table = numbers.table(architecture)
    assert table
    assert len(table) == len(set(table.values()))


def test_audit_architectures():
    """``AUDIT_ARCH`` is linux/audit.h's."""
    names = {"x86_64": "AUDIT_ARCH_X86_64", "aarch64": "AUDIT_ARCH_AARCH64"}
    told = headers.constants(["linux/audit.h"], names.values())
    assert {machine: told[name] for machine, name in names.items()} == syscalls.AUDIT_ARCH


def test_number():
    """A call is looked up by architecture; None where there is no such call, or no table."""
    assert syscalls.number("openat", "x86_64") == 257
    assert syscalls.number("openat", "aarch64") == 56
    assert syscalls.number("open", "aarch64") is None
    assert syscalls.number("openat", "riscv64") is None


def test_result():
    """The result is the system call's."""
    assert os.getpid() == syscalls.call("getpid")


def test_error_names_the_call():
    """-1 becomes OSError, of the subclass that fits, with the errno, its text and the call's name."""
    with pytest.raises(FileNotFoundError) as caught:
        syscalls.call("openat", syscalls.AT_FDCWD, b"/no/such/path", os.O_RDONLY)
    assert (errno.ENOENT, os.strerror(errno.ENOENT), "openat") == (
        caught.value.errno,
        caught.value.strerror,
        caught.value.filename,
    )


def test_arguments_are_64_bits_wide():
    """Offsets above 4 GiB and negative numbers reach the kernel whole."""
    fd = os.memfd_create("sparse")
    offset = (5 << 30) + 1
    os.pwrite(fd, b"far", offset)
    buffer = ctypes.create_string_buffer(3)
    assert syscalls.call("pread64", fd, buffer, 3, offset) == 3
    assert buffer.raw == b"far"
    assert syscalls.call("lseek", fd, -3, os.SEEK_END) == offset
    os.close(fd)


def test_unknown_call_is_enosys():
    """A call this architecture does not have answers as an old kernel would."""
    with pytest.raises(OSError, match="no_such_call") as caught:
        syscalls.call("no_such_call")
    assert caught.value.errno == errno.ENOSYS


@pytest.mark.parametrize("path", ["a\0b", b"a\0b"])
def test_no_nul_in_paths(path: str | bytes):
    """A NUL would make the kernel see another, shorter path."""
    with pytest.raises(ValueError, match="NUL"):
        syscalls.encode(path)


def test_encode():
    """Names that are not UTF-8 survive the way through ``str``."""
    assert syscalls.encode(os.fsdecode(b"a\xff")) == b"a\xff"


def test_other_architectures_are_refused():
    """Without a table everything imports, nothing has a number, and a call is refused with a hint."""
    program = """
import os
real = os.uname()
os.uname = lambda: os.uname_result((*real[:4], "riscv64"))
from pyopenshell import errors
from pyopenshell.kernel import landlock, namespaces, process, signals, syscalls
assert syscalls.number("openat") is None
try:
    landlock.abi()
except errors.KernelUnsupported as error:
    print(error.message, "|", error.hint)
"""
    told = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=True).stdout
    assert told == "system calls of riscv64 are not known | run a 64-bit Python on one of: x86_64, aarch64\n"


def test_refusal_is_one_of_ours(monkeypatch: pytest.MonkeyPatch):
    """A 32-bit interpreter has no native table, whatever the kernel's architecture is."""
    monkeypatch.setattr(syscalls, "_NATIVE", None)
    with pytest.raises(errors.KernelUnsupported):
        syscalls.call("getpid")
