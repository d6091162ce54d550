"""Limits as a table."""

from pyopenshell.cli import effective_view
from pyopenshell.effective.limits import asked


def test_requested_beside_actual(capsys):
    """What was had, what it was rounded to, and what could not be had; nothing where nothing was asked for."""
    effective_view.limits(())
    assert "" == capsys.readouterr().out
    cpu, memory, pids = asked(0.5, 100 << 20, 100)
    had = {"mechanism": "cgroup v1", "status": "enforced"}
    shown = (
        cpu.replace(actual=500, **had),
        memory.replace(actual=99 << 20, detail="memory and swap together", **had),
        pids.replace(status="skipped", detail="no pids controller is mounted here"),
    )
    effective_view.limits([limit.as_dict() for limit in shown])
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines() if line.strip()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert ["Limits"] == cells[0]
    assert ["LIMIT", "REQUESTED", "ACTUAL", "STATUS", "BY", "NOTE"] == cells[1]
    assert ["cpu", "0.5 CPUs", "same", "enforced", "cgroup v1", "-"] == cells[-3]
    assert ["memory", "100 MiB", "99 MiB", "enforced", "cgroup v1", "memory and swap together"] == cells[-2]
    assert ["pids", "100 processes", "-", "skipped", "none", "no pids controller is mounted here"] == cells[-1]
