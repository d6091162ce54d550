"""What a sandbox has on the host beside its processes: limits, an id, folders. All of it goes with it."""

from __future__ import annotations

import os

from pyopenshell.launch import dynamic_id, private
from pyopenshell.zygote import carry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pyopenshell.launch.cgroups import Cgroup
    from pyopenshell.launch.private import Private


class Belongings:
    """A sandbox's cgroup, the lock of its dynamic id, its own folder and a private one."""

    def __init__(self, told: dict[str, Any], locks: list[int]) -> None:
        """Take over what the template made: the id's lock first, where it has one, then those of its limits."""
        self._told = told
        self._identity_lock = locks.pop(0) if told["has_id"] else None
        self._cgroup = _cgroup(told["cgroups"], locks)
        self._private: Private | None = None
        self._folder_lock: int | None = None

    def make(self, pid: int) -> None:
        """Make what the plan wants to find; ``pid`` is who is to be limited. Raises OSError, OpenShellError."""
        if self._cgroup:
            self._cgroup.join(pid)
        if self._told["own_folder"] and os.geteuid() == 0:
            fd = os.open(self._told["own_folder"], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fchown(fd, self._told["uid"], self._told["gid"])
            finally:
                os.close(fd)
        if self._told["private"]:
            wanted: Private = carry.unpack(self._told["private"])
            private.sweep()
            self._folder_lock = private.make(wanted, self._told["uid"], self._told["gid"])
            self._private = wanted

    def remove(self) -> None:
        """Remove all but the own folder, which is the gateway's to remove; what is left in the cgroup is killed."""
        if self._cgroup:
            self._cgroup.remove()
        if self._private:
            private.remove(self._private)
        if self._identity_lock is not None:
            dynamic_id.release(self._told["uid"], self._identity_lock)


def _cgroup(folders: list[str], locks: list[int]) -> Cgroup | None:
    """Return the sandbox's cgroup. What it takes is imported only where there is one."""
    if not folders:
        return None
    from pyopenshell.launch.cgroups import Cgroup

    return Cgroup(None, folders, locks)
