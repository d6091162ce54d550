"""Reading a string out of a process: up to its NUL, over page borders, and never further than it is mapped."""

import ctypes
import errno
import mmap
import os

import pytest

from pyopenshell.kernel.memory import PAGE, Reader

LIMIT = 256
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


@pytest.fixture
def border():
    """The address where a readable page ends and nothing follows."""
    size = mmap.PAGESIZE
    start = libc.mmap(None, 2 * size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    libc.munmap(start + size, size)
    yield start + size
    libc.munmap(start, size)


def read(address, limit=LIMIT):
    """Read from this very process."""
    return Reader(limit).string(os.getpid(), address)


def test_a_string_ends_at_its_nul():
    """What stands behind it does not matter."""
    memory = ctypes.create_string_buffer(b"/proc/self/comm\0and more")
    assert b"/proc/self/comm" == read(ctypes.addressof(memory))


@pytest.mark.parametrize("before", [1, 2, 100, 200])
def test_it_may_end_exactly_where_the_page_does(border, before):
    """The page behind it is not there, and need not be."""
    text = b"a" * (before - 1)
    ctypes.memmove(border - before, text + b"\0", before)
    assert text == read(border - before)


def test_without_an_end_there_is_no_string(border):
    """Neither where the mapping ends first, nor where the limit does."""
    ctypes.memset(border - LIMIT - 10, 0x61, LIMIT + 10)
    assert read(border - 5) is None
    assert read(border - LIMIT - 10) is None


def test_it_may_cross_pages():
    """Both parts are joined."""
    memory = mmap.mmap(-1, 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory[PAGE - 3 : PAGE + 4] = b"abcdef\0"
    assert b"abcdef" == read(start + PAGE - 3)


@pytest.mark.parametrize("address", [0, 1, 2**47, 2**63, 2**64 - 1, 2**64 - LIMIT])
def test_what_is_not_mapped_is_efault(address):
    """Also addresses that are none, and those at the very end."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is compared
        read(address)
    assert errno.EFAULT == caught.value.errno


def test_a_process_that_is_not_there_is_esrch():
    """The caller of a notification may be gone."""
    with pytest.raises(ProcessLookupError):
        Reader(LIMIT).string(2**22 + 1, 4096)
