"""What init opens for its rules, as far as that can be seen without being init."""

import errno
import os

from pyopenshell.launch.arrange import _open_paths


def test_what_could_not_be_shown_gets_no_rule():
    """What the host has at that path instead was not asked for: another device, perhaps."""
    plan = {
        "rules": [("shown", "/dev/zero", False, 1), ("missing", "/dev/zero", False, 2), ("gone", "/nowhere", False, 4)]
    }
    opened = list(_open_paths(plan, {}, {"missing": errno.E2BIG}))
    for _grant, _path, fd, _mask, _errno in opened:
        if fd >= 0:
            os.close(fd)
    expected = [("shown", True, 1, 0), ("missing", False, 2, errno.E2BIG), ("gone", False, 4, errno.ENOENT)]
    assert expected == [(grant, fd >= 0, mask, number) for grant, _path, fd, mask, number in opened]
