"""The whole catalogue: every row, and the pieces of its patterns that a text is searched for."""

from __future__ import annotations

from pyopenshell.devices.diagnosis import (
    rows_cdi,
    rows_cluster,
    rows_cuda,
    rows_driver,
    rows_engine,
    rows_host,
    rows_programs,
    rows_site,
    rows_spec,
    rows_toolkit,
    rows_vendors,
)
from pyopenshell.devices.diagnosis.row import Row
from pyopenshell.devices.diagnosis.text import parts

SECTIONS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    ("CDI: names and specs", rows_cdi.ROWS),
    ("CDI: what specs point at, and making them", rows_spec.ROWS),
    ("Container engines", rows_engine.ROWS),
    ("Kubernetes", rows_cluster.ROWS),
    ("nvidia-container-cli", rows_toolkit.ROWS),
    ("NVIDIA's driver, NVML and hardware", rows_driver.ROWS),
    ("WSL2, Tegra and AMD", rows_vendors.ROWS),
    ("CUDA", rows_cuda.ROWS),
    ("Programs, and shared memory", rows_programs.ROWS),
    ("Slurm and Apptainer", rows_site.ROWS),
    ("What looking at the host tells", rows_host.ROWS),
)
"""The rows, by what says them; docs/diagnosis.md has these headings."""

ROWS: tuple[Row, ...] = tuple(row for _title, rows in SECTIONS for row in rows)
BY_CODE = {row.code: row for row in ROWS}
PIECES: tuple[tuple[Row, tuple[tuple[bytes, ...], ...]], ...] = tuple(
    (row, tuple(parts(pattern) for pattern in row.patterns)) for row in ROWS if row.patterns
)
