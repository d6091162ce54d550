"""Run a program beneath an AppArmor profile that is loaded: ``beneath.py PROFILE PROGRAM [ARGUMENT]...``."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> None:
    """Become the program. Raises OSError where AppArmor is not on, or the profile not loaded (ENOENT)."""
    profile, *argv = arguments
    with open("/proc/self/attr/apparmor/exec", "w") as file:
        file.write(f"exec {profile}")
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
