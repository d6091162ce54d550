"""The command as root and as an ordinary user calls it, for sandboxes with devices."""

from tests.confined.whole.conftest import anyone, folder, root, user

__all__ = ["anyone", "folder", "root", "user"]
