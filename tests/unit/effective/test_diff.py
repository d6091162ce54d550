"""What differs between two effective policies, and which of them is the looser one."""

import pytest

from pyopenshell.effective.difference import LOOSER, OTHER, TIGHTER
from pyopenshell.effective.model import (
    Finding,
    Identity,
    Isolation,
    KernelLog,
    LandlockReport,
    Network,
    NetworkEntry,
    SeccompReport,
)
from tests.unit.effective.cases import ISOLATED
from tests.unit.effective.diff_cases import (
    BASE,
    HIDDEN,
    OPEN,
    RULE,
    SOMETIMES,
    abi,
    filtered,
    isolated,
    report,
    told,
)


def logged(log):
    return BASE.replace(landlock=BASE.landlock.replace(log=log))


TABLE = {
    "nothing": (BASE, BASE, []),
    "name, ids, file, line, time and wording": (
        BASE,
        BASE.replace(
            name="other",
            run_id="02K",
            file="/elsewhere.yaml",
            source_sha256="f" * 64,
            state="exited",
            grants=tuple(
                one.replace(origin=one.origin.replace(file="q.yaml", line=99), reason="Another wording.")
                for one in BASE.grants
            ),
        ),
        [],
    ),
    "a right of a newer kernel": (abi(4), abi(5), [(TIGHTER, "right", "ioctl_dev")]),
    "a newer ABI without new rights": (abi(7), abi(8), []),
    "a right that something else covers": (
        abi(7),
        abi(2, truncate="filter", abstract_unix_socket="namespace", signal="namespace"),
        [
            (LOOSER, "right", "ioctl_dev"),
            (OTHER, "right", "abstract_unix_socket"),
            (OTHER, "right", "signal"),
            (OTHER, "right", "truncate"),
        ],
    ),
    "covered on one side only": (abi(2, signal="namespace"), abi(2), [(LOOSER, "right", "signal")]),
    "without refer nothing is moved": (abi(2), abi(1), [(TIGHTER, "right", "refer")]),
    "no Landlock": (abi(7), abi(0), [(LOOSER, "landlock", "Landlock")]),
    "a right only wanted without a namespace": (
        BASE.replace(landlock=report(11)),
        BASE.replace(landlock=report(11, tcp=True), isolation={**ISOLATED, "net": Isolation("filtered", "filter")}),
        [
            (OTHER, "right", "bind_tcp"),
            (OTHER, "right", "bind_udp"),
            (OTHER, "right", "connect_send_udp"),
            (OTHER, "right", "connect_tcp"),
            (OTHER, "isolation", "net"),
        ],
    ),
    "nothing keeps it off the network": (
        BASE.replace(landlock=report(5, tcp=True)),
        BASE.replace(landlock=report(5), isolation={**ISOLATED, "net": OPEN}),
        [
            (LOOSER, "right", "bind_tcp"),
            (LOOSER, "right", "connect_tcp"),
            (LOOSER, "isolation", "net"),
        ],
    ),
    "a record that does not know a right": (
        BASE.replace(landlock=LandlockReport("best_effort", 7, (*report(7).handled,))),
        BASE.replace(landlock=report(7)),
        [(OTHER, "right", "resolve_unix")],
    ),
    "open": (isolated(), isolated(pid=OPEN), [(LOOSER, "isolation", "pid")]),
    "another mechanism": (isolated(), isolated(pid=Isolation("scoped", "x")), [(OTHER, "isolation", "pid")]),
    "a kind that is not told": (isolated(), isolated(ipc=HIDDEN), [(OTHER, "isolation", "ipc")]),
    "the host's network": (BASE, BASE.replace(network=Network("host", "none")), [(LOOSER, "network", "mode")]),
    "another mechanism of no network": (BASE, BASE.replace(network=Network("none", "x")), [(OTHER, "network", "mode")]),
    "an endpoint that stays denied": (
        BASE,
        BASE.replace(network=BASE.network.replace(entries=(NetworkEntry("api", "x:443", "skipped", ""),))),
        [(OTHER, "network", "api x:443")],
    ),
    "an endpoint let through": (
        BASE,
        BASE.replace(network=BASE.network.replace(entries=(NetworkEntry("api", "x:443", "enforced", ""),))),
        [(LOOSER, "network", "api x:443")],
    ),
    "a call less refused": (filtered(RULE), filtered(sha="2"), [(LOOSER, "syscalls", "filter")]),
    "a call under a condition only": (filtered(RULE), filtered(SOMETIMES, sha="2"), [(LOOSER, "syscalls", "filter")]),
    "conditions that cannot be compared": (
        filtered(SOMETIMES),
        filtered({**SOMETIMES, "when": "the flags have Y"}, sha="2"),
        [(OTHER, "syscalls", "filter")],
    ),
    "another error": (filtered(RULE), filtered({**RULE, "action": "errno:ENOSYS"}, sha="2"),
                      [(OTHER, "syscalls", "filter")]),
    "one call looser, one tighter": (
        filtered(RULE),
        filtered({**RULE, "syscall": "bpf"}, sha="2"),
        [(LOOSER, "syscalls", "filter"), (TIGHTER, "syscalls", "filter")],
    ),
    "another program of the same rows": (filtered(RULE), filtered(RULE, sha="2"), [(OTHER, "syscalls", "filter")]),
    "a row that Landlock itself makes needless": (
        filtered({**RULE, "instead_of": "truncate"}),
        filtered(sha="2"),
        [(OTHER, "syscalls", "filter")],
    ),
    "a row that nothing makes needless": (
        filtered({**RULE, "instead_of": "resolve_unix"}),
        filtered(sha="2"),
        [(LOOSER, "syscalls", "filter")],
    ),
    "an older record without rows": (
        filtered(RULE),
        BASE.replace(seccomp=SeccompReport("2" * 64, 9)),
        [(OTHER, "syscalls", "filter")],
    ),
    "another user": (BASE, BASE.replace(identity=Identity(7, 7, (), "policy")), [(OTHER, "identity", "user")]),
    "one group more": (
        BASE,
        BASE.replace(identity=BASE.identity.replace(groups=(1000, 44))),
        [(LOOSER, "identity", "user")],
    ),
    "dynamic ids": (
        BASE.replace(identity=Identity(61184, 61184, (), "dynamic")),
        BASE.replace(identity=Identity(61185, 61185, (), "dynamic")),
        [],
    ),
    "findings": (
        BASE,
        BASE.replace(findings=(*BASE.findings, Finding("a.b", "Low", "x"), Finding("c.d", "High", "x"))),
        [(OTHER, "finding", "c.d"), (OTHER, "finding", "a.b")],
    ),
    "findings that repeat another difference": (
        isolated(),
        isolated(pid=OPEN).replace(
            findings=(
                *BASE.findings,
                *(
                    Finding(code, "Medium", "x")
                    for code in ("isolation.pid-open", "landlock.right-missing", "network.denied")
                ),
            )
        ),
        [(LOOSER, "isolation", "pid")],
    ),
    "a finding in other words": (
        BASE.replace(findings=(Finding("a.b", "Low", "line 7"),)),
        BASE.replace(findings=(Finding("a.b", "Low", "line 8"),)),
        [],
    ),
    "a policy that says the same otherwise": (
        BASE,
        BASE.replace(declared={**BASE.declared, "process": {}}),
        [],
    ),
    "a policy that says something else": (
        BASE,
        BASE.replace(declared={**BASE.declared, "runtime": {"cuda_thread_names": "off"}}),
        [(OTHER, "declared", "policy")],
    ),
    "what the kernel logs": (
        logged(KernelLog("denials", ("new_exec",))),
        logged(KernelLog("off")),
        [(OTHER, "log", "kernel log")],
    ),
    "an older record that does not say what is logged": (BASE, logged(KernelLog("denials")), []),
    "compatibility": (
        BASE,
        BASE.replace(landlock=BASE.landlock.replace(compatibility="hard_requirement")),
        [(OTHER, "compatibility", "landlock")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("a", "b", "expected"), TABLE.values(), ids=TABLE)
def test_direction(a, b, expected):
    """Each difference once, the looser first, and mirrored the other way round."""
    assert expected == told(a, b)
