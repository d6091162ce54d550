"""What programs print, by the row it is about: each pattern of the catalogue in at least one text, with its prefix.

Other rows may be found in them too, behind this one.
"""

from __future__ import annotations

from tests.unit.devices.diagnosis import texts_engines, texts_programs

SAMPLES: dict[str, tuple[str, ...]] = texts_engines.SAMPLES | texts_programs.SAMPLES
