"""What reading a policy may import: it is on the way of every run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
SLOW = ("re", "json", "typing", "dataclasses", "enum", "collections", "functools", "contextlib", "argparse", "hashlib")
SHOW = "print('\\n'.join(set(sys.modules) - before))"


def imported(code: str) -> set[str]:
    """The modules that ``code`` imports in an interpreter that has what any run has."""
    lines = ["import os, stat, sys, __future__", f"sys.path[:0] = {[str(ROOT / 'src'), *sys.path]!r}"]
    command = [sys.executable, "-I", "-S", "-c", "; ".join([*lines, "before = set(sys.modules)", code, SHOW])]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_the_built_in_policy_needs_no_yaml():
    """A run without a policy file reads no YAML and imports nothing slow."""
    found = imported("from pyopenshell.policy import load; load.default()")
    assert "pyopenshell.policy.load" in found
    assert set() == found & {"yaml", *SLOW}


def test_a_small_policy_imports_yaml_and_no_more(tmp_path):
    """With a policy file only what yaml itself imports is added; not the network tables, nor those for errors."""
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nfilesystem_policy: {read_only: [/usr]}\n")
    ours = imported(f"from pyopenshell.policy import load; load.load({str(path)!r})") - imported("import yaml")
    assert all(name.startswith("pyopenshell") or name in ("_sha256", "_sha2") for name in ours), ours
    assert not any("policy.network" in name or name.endswith((".syntax", ".schema")) for name in ours)


def test_a_network_section_adds_its_tables(tmp_path):
    """Policies with a network section import what checks it, and _socket for addresses."""
    path = tmp_path / "p.yaml"
    path.write_text("version: 1\nnetwork_policies: {a: {endpoints: [{host: a.b, port: 1}]}}\n")
    ours = imported(f"from pyopenshell.policy import load; load.load({str(path)!r})") - imported("import yaml")
    assert "pyopenshell.policy.network.endpoint" in ours
    assert all(name.startswith("pyopenshell") or name in ("_socket", "_sha256", "_sha2") for name in ours), ours
