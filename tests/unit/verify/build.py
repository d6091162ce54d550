"""A small effective policy with its receipt, and something to see outside: what the attempts are made of."""

from pyopenshell.effective.model import (
    Effective,
    Grant,
    Identity,
    Isolation,
    LandlockReport,
    Network,
    Origin,
    SeccompReport,
)
from pyopenshell.landlock.downgrade import handled
from pyopenshell.policy.access import READ_ONLY, READ_WRITE, THREAD_NAMES
from pyopenshell.verify.outside import Entry, Outside

KINDS = ("pid", "mount", "net", "user", "ipc", "signals", "abstract_sockets", "pathname_sockets")
PRIVATE = Isolation("private", "its namespace")
OPEN = Isolation("open", "none")
ROWS = (
    {"syscall": "ptrace", "when": "always", "action": "errno:EPERM", "reason": ""},
    {"syscall": "openat", "when": "the access mode is O_WRONLY or O_RDWR", "action": "notify", "reason": ""},
    {"syscall": "memfd_create", "when": "always", "action": "allow", "reason": ""},
)
HOME = "/home/ada"


DECLARED = Origin("declared", "read_only")


def grant(path, access=READ_ONLY, origin=DECLARED, **more):
    """Return an enforced grant; its id is its path."""
    return Grant(path, path, path, access, origin, "", actual=access, status="enforced").replace(**more)


def effective(*grants, private=True, abi=7, **more):
    """Return a policy with these grants, in a world with or without namespaces."""
    isolation = dict.fromkeys(KINDS, PRIVATE if private else OPEN) | {"user": OPEN}
    rights = handled(abi, tcp=False)
    return Effective(
        name="demo",
        run_id="01",
        declared={},
        file=None,
        source_sha256="",
        identity=Identity(1000, 1000, (), "caller"),
        grants=grants,
        network=Network("none", ""),
        isolation=isolation,
        landlock=LandlockReport("best_effort", abi, rights.fs + rights.net + rights.scoped),
        seccomp=SeccompReport("", 0, ROWS),
    ).replace(**more)


def broker():
    """Return the grant that a broker serves."""
    pattern = "/proc/<own pid>/task/<own tid>/comm"
    return grant(pattern, THREAD_NAMES, Origin("runtime", "cuda-thread-names"), mechanism="broker", resolved=None)


def writable(path, origin="workdir"):
    """Return a read-write grant."""
    return grant(path, READ_WRITE, Origin(origin))


def receipt(*folders):
    """Return a receipt in which these grants are folders."""
    return {
        "rules": [{"dev": 1, "ino": 2}],
        "reach": [{"grant": path, "folder": True} for path in folders],
        "namespaces": {"user": 10, "mount": 11, "pid": 12, "net": 13, "ipc": None},
    }


def outside(entries=None, **more):
    """Return what is seen outside: ``entries`` by folder."""
    found = entries or {}
    every = {entry.path: entry for folder in found.values() for entry in folder}
    return Outside(
        home=HOME,
        folders=("/state", "/config"),
        supervisor=100,
        bystander=200,
        namespaces={"user": 10, "mount": 21, "pid": 22, "net": 23, "ipc": 24},
        abstract=b"\0name",
        pathname="/tmp/name",
        token=".token",
        entries=lambda folder: found.get(folder, []),
        look=every.get,
    ).replace(**more)


def entry(path, kind="file", **more):
    """Return something in a folder."""
    return Entry(path, kind, 8, 9, **more)
