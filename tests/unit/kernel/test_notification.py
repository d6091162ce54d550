"""seccomp's user notification: layouts against the kernel's header, and a decoder that no bytes upset."""

import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyopenshell.kernel import notification

U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)

PROGRAM = """
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.7 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
int main(void)
{
    printf("%zu %zu %zu %zu %zu %zu\\n", sizeof(struct seccomp_notif), offsetof(struct seccomp_notif, pid),
           offsetof(struct seccomp_notif, data.nr), offsetof(struct seccomp_notif, data.arch),
           offsetof(struct seccomp_notif, data.instruction_pointer), offsetof(struct seccomp_notif, data.args));
    printf("%zu %zu %zu %zu\\n", sizeof(struct seccomp_notif_resp), offsetof(struct seccomp_notif_resp, val),
           offsetof(struct seccomp_notif_resp, error), offsetof(struct seccomp_notif_resp, flags));
    printf("%zu %zu %zu %zu %zu\\n", sizeof(struct seccomp_notif_addfd), offsetof(struct seccomp_notif_addfd, flags),
           offsetof(struct seccomp_notif_addfd, srcfd), offsetof(struct seccomp_notif_addfd, newfd),
           offsetof(struct seccomp_notif_addfd, newfd_flags));
    printf("%#lx %#lx %#lx %#lx %lu %lu\\n", (long)SECCOMP_IOCTL_NOTIF_RECV, (long)SECCOMP_IOCTL_NOTIF_SEND,
           (long)SECCOMP_IOCTL_NOTIF_ADDFD, (long)SECCOMP_IOCTL_NOTIF_SET_FLAGS,
           (long)SECCOMP_USER_NOTIF_FLAG_CONTINUE, (long)SECCOMP_ADDFD_FLAG_SEND);
    return 0;
}
"""


def test_layouts_are_those_of_the_header(tmp_path):
    """Sizes, offsets, request numbers and flags as the C compiler sees them."""
    if not shutil.which("cc"):
        pytest.skip("needs: C compiler")
    source = tmp_path / "layout.c"
    source.write_text(PROGRAM)
    subprocess.run(["cc", "-o", tmp_path / "layout", source], check=True)
    told = subprocess.run([tmp_path / "layout"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert "80 8 16 20 24 32" == told[0]
    assert "24 8 16 20" == told[1]
    assert "24 8 12 16 20" == told[2]
    assert (80, 24, 24) == tuple(
        shape.size for shape in (notification.NOTIFICATION, notification.RESPONSE, notification.ADDITION)
    )
    numbers = [int(text, 0) for text in told[3].split()]
    requests = ("RECV", "SEND", "ADDFD", "SET_FLAGS")
    assert [getattr(notification, name) for name in requests] == [number % 2**32 for number in numbers[:4]]
    assert [notification.FLAG_CONTINUE, notification.ADDFD_FLAG_SEND] == numbers[4:]


@given(U64, U32, U32, st.integers(-(2**31), 2**31 - 1), U32, U64, st.lists(U64, min_size=6, max_size=6))
def test_decoding_is_the_inverse_of_the_layout(cookie, pid, flags, nr, arch, pointer, arguments):
    """Every field comes out as it was put in, whatever its value."""
    data = struct.pack("=QIIiIQ6Q", cookie, pid, flags, nr, arch, pointer, *arguments)
    found = notification.decode(data)
    assert (cookie, pid, nr, arch, tuple(arguments)) == (found.id, found.pid, found.nr, found.arch, found.arguments)


@given(st.binary(max_size=200).filter(lambda data: len(data) != 80))
def test_other_lengths_are_refused(data):
    """A notification has 80 bytes; anything else is not one."""
    with pytest.raises(struct.error):
        notification.decode(data)


@given(st.binary(min_size=80, max_size=80))
def test_any_bytes_of_the_right_length_decode(data):
    """The kernel's bytes are never an error."""
    assert 6 == len(notification.decode(data).arguments)
