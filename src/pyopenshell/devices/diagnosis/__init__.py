"""What container engines say when a GPU does not start, as data: pattern, cause, the steps to recover, source.

``diagnose`` is a function of the library: whoever starts containers can give it what the engine said when a start
failed, and with it what ``look.look_around`` sees of the host. Steps are for a person to do; nothing is run.
"""

from __future__ import annotations

from pyopenshell.devices.diagnosis.answer import diagnose
from pyopenshell.devices.diagnosis.cause import Cause
from pyopenshell.devices.diagnosis.surroundings import Surroundings

__all__ = ["Cause", "Surroundings", "diagnose"]
