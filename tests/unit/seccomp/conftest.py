"""A classic BPF interpreter, so that programs can be tried on any syscall without the kernel."""

import struct

import pytest

from pyopenshell.kernel.syscalls import AUDIT_ARCH

LOW = 0xFFFFFFFF


def run_program(program: bytes, architecture: str | int, nr: int, args: tuple[int, ...] = ()) -> int:
    """Return the action for a syscall: ``struct seccomp_data`` goes through the program as in the kernel."""
    arch = AUDIT_ARCH[architecture] if isinstance(architecture, str) else architecture
    padded = [*args, *[0] * (6 - len(args))]
    data = struct.pack("<IIQ6Q", nr & LOW, arch, 0, *[arg & (1 << 64) - 1 for arg in padded])
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator, at = 0, 0
    while True:
        opcode, jump_true, jump_false, k = code[at]
        at += 1
        if opcode == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif opcode == 0x54:
            accumulator &= k
        elif opcode == 0x15:
            at += jump_true if accumulator == k else jump_false
        elif opcode == 0x35:
            at += jump_true if accumulator >= k else jump_false
        elif opcode == 0x06:
            return int(k)
        else:
            raise AssertionError(f"unknown instruction {opcode:#x}")


@pytest.fixture(scope="session")
def interpret():
    """Give tests the interpreter."""
    return run_program
