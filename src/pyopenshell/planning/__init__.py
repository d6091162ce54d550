"""From a request to a planned sandbox: what it may do, and how it would be made. Nothing is made here.

It leads the way through the packages in the order of docs/design.md, section 3, and holds no detail of its own.
"""

from pyopenshell.planning.ground import RunRequest
from pyopenshell.planning.planned import Planned, plan

__all__ = ["Planned", "RunRequest", "plan"]
