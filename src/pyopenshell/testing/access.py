"""What the kernel answers inside a sandbox, beside what its report says."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyopenshell.errors import OpenShellError
from pyopenshell.record import Record

if TYPE_CHECKING:
    from pyopenshell.effective.why import Answer
    from pyopenshell.sandbox.box import Sandbox

REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS)
"""What a kernel answers who forbids something. That a file is missing may be one too: see ``Access.denied``."""
SECONDS = 30
"""How long one attempt may take."""

_ATTEMPT = """
import os, stat, sys
path, wants = sys.argv[1:]
flags = os.O_NONBLOCK | os.O_NOCTTY
make = os.O_CREAT | os.O_EXCL
def attempt():
    if wants == "read":
        return os.open(path, os.O_RDONLY | flags)
    try:
        folder = stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        place = path
    else:
        if not folder:
            return os.open(path, os.O_WRONLY | os.O_APPEND | flags)
        place = os.path.join(path, f".openshell-attempt-{os.getpid()}")
    fd = os.open(place, os.O_WRONLY | make | flags, 0o600)
    os.unlink(place)
    return fd
try:
    attempt()
    number = 0
except OSError as error:
    number = error.errno
os.write(1, str(number).encode())
"""


class Access(Record):
    """One access that was tried inside a sandbox.

    ``wants`` is ``read`` or ``write``. ``errno`` is the kernel's answer, 0 where it allowed the access. ``reported`` is
    what the sandbox's report says about it. ``outside`` says whether the path was there for the caller.
    """

    path: str
    wants: str
    errno: int
    reported: Answer
    outside: bool

    @property
    def allowed(self) -> bool:
        """Whether the kernel allowed it."""
        return self.errno == 0

    @property
    def denied(self) -> bool:
        """Whether the kernel denied it: forbade it, or does not show in the sandbox what is there outside."""
        return self.errno in REFUSALS or (self.errno == errno.ENOENT and self.outside)

    def __str__(self) -> str:
        """Say in lines what the kernel answered, and what the report says."""
        name = errno.errorcode.get(self.errno, str(self.errno))
        happened = "allowed" if self.allowed else f"{name} ({os.strerror(self.errno)})"
        said = "allowed" if self.reported.allowed else "denied"
        lines = [f"{self.wants} {self.path}", f"  the kernel answered: {happened}", f"  the report says: {said}"]
        lines += [f"    {sentence}" for sentence in self.reported.explanation]
        lines += [f"    {grant.origin}: {grant.path} ({grant.status})" for grant in self.reported.grants]
        if self.reported.advice:
            lines.append(f"    to allow it: {self.reported.advice}")
        if self.allowed != self.reported.allowed and (self.allowed or self.denied):
            lines.append("  these differ: 'openshell sandbox verify' looks for more that does")
        return "\n".join(lines)


def attempt(box: Sandbox, path: str | os.PathLike[str], *, write: bool = False) -> Access:
    """Try to open a path in a sandbox, to read or to write, and return what the kernel answered.

    To write means to open a file for appending, of which nothing is changed; in a folder, or at a path that is
    missing, to make a file and to remove it. A relative path is one of this process. It takes a ``python3`` in the
    sandbox. Raises CommandError where there is none, and as ``Sandbox.run``.
    """
    place, wants = os.path.abspath(path), "write" if write else "read"
    done = box.run(["python3", "-I", "-S", "-c", _ATTEMPT, place, wants], timeout=SECONDS)
    if done.exit != 0 or not done.stdout.isdigit():
        raise OpenShellError(
            f"the attempt to {wants} {place} did not get as far as the kernel (exit code {done.exit}): {done.stderr}",
            hint="it is made by python3 in the sandbox, which must be able to start there",
            code="testing.no-answer",
        )
    reported = box.effective.why(place, write=write)
    return Access(place, wants, int(done.stdout), reported, os.path.lexists(place))


def assert_allowed(box: Sandbox, path: str | os.PathLike[str], *, write: bool = False) -> Access:
    """Fail unless the kernel lets the sandbox open a path, to read or to write; see ``attempt``.

    The kernel decides, not the report; the failure says what both think of it. Raises AssertionError.
    """
    access = attempt(box, path, write=write)
    if not access.allowed:
        raise AssertionError(f"denied, and should be allowed: {access}")
    return access


def assert_denied(box: Sandbox, path: str | os.PathLike[str], *, write: bool = False) -> Access:
    """Fail unless the kernel denies the sandbox to open a path, to read or to write; see ``attempt``.

    A path that is missing inside is denied where it is there outside; where it is nowhere, nothing was shown, and that
    is a failure too. Raises AssertionError.
    """
    access = attempt(box, path, write=write)
    if access.allowed:
        raise AssertionError(f"allowed, and should be denied: {access}")
    if not access.denied:
        raise AssertionError(f"neither allowed nor denied, so nothing is shown: {access}")
    return access
