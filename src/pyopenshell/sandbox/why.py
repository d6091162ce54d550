"""An effective policy that can be asked, on the host where it is in force."""

from __future__ import annotations

from pyopenshell.effective.model import Effective


class InForce(Effective):
    """The effective policy of a sandbox of this process."""
