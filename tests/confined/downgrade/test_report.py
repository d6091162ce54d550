"""What the report says of every right that this kernel lacks, and that it says nothing of those that it has."""

from __future__ import annotations

import pytest

from tests.confined.downgrade.conftest import Seen

pytestmark = pytest.mark.kernels

FIRST = (
    "execute write_file read_file read_dir remove_dir remove_file make_char make_dir make_reg make_sock make_fifo "
    "make_block make_sym"
)
BROUGHT = {
    1: FIRST,
    2: "refer",
    3: "truncate",
    4: "bind_tcp connect_tcp",
    5: "ioctl_dev",
    6: "abstract_unix_socket signal",
    9: "resolve_unix",
    10: "bind_udp connect_send_udp",
}
"""What each ABI brought (linux/landlock.h)."""
SINCE = {name: abi for abi, names in BROUGHT.items() for name in names.split()}
NETWORK = {"bind_tcp", "connect_tcp", "bind_udp", "connect_send_udp"}


def stand_in(seen: Seen, right: str) -> str | None:
    """Return how the report names what does a missing right's work here, None where nothing does."""
    made = seen.made
    return {
        "refer": "this ABI denies every rename and link between folders",
        "truncate": "seccomp filter: truncate(2), O_TRUNC without a write mode and openat2 are denied",
        **dict.fromkeys(NETWORK, "seccomp filter: only AF_UNIX sockets"),
        "abstract_unix_socket": "network namespace" if made.net else None,
        "signal": "pid namespace" if made.pid else None,
        "resolve_unix": "mount namespace: empty /run, private /tmp and /dev/shm" if made.mount else None,
    }.get(right)


def test_exactly_what_is_missing_is_dropped(seen):
    """Every right is handled or dropped; those of the network only where no namespace keeps it apart."""
    wanted = SINCE.keys() - (NETWORK if seen.made.net else set())
    landlock = seen.record.effective["landlock"]
    assert seen.abi == landlock["abi"]
    assert {right for right in wanted if SINCE[right] > seen.abi} == seen.gaps.keys()
    assert wanted - seen.gaps.keys() == set(landlock["handled"])


@pytest.mark.parametrize("right", SINCE)
def test_a_right(seen, right):
    """A missing one is told with what follows, what stands in, and a finding; one that is there, with none."""
    if SINCE[right] <= seen.abi or (right in NETWORK and seen.made.net):
        assert (None, None) == (seen.gaps.get(right), seen.finding(right))
        return
    covered = stand_in(seen, right)
    gap, finding = seen.gaps[right], seen.finding(right)
    assert (SINCE[right], covered) == (gap["needs_abi"], gap["covered_by"])
    assert gap["consequence"].endswith(".")
    expected = ("landlock.right-replaced", "Informational") if covered else ("landlock.right-missing", "Medium")
    assert finding is not None
    code, severity, message = finding
    assert expected == (code, severity)
    assert f"needs Landlock ABI {SINCE[right]}, and {seen.abi} is in use" in message
    assert (covered or gap["consequence"]) in message
