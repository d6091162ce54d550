"""The built-in policy: the working directory, no network, nothing else."""

from __future__ import annotations

from pyopenshell.policy.digest import sha256
from pyopenshell.policy.model import FilesystemPolicy, Policy, Source

TEXT = """\
# The built-in policy: what a program gets when no policy is named.
# 'openshell policy default > policy.yaml' makes it the start of your own.
version: 1

filesystem_policy:
  # The folder the program is started in, and all beneath it: read, write, run.
  include_workdir: true
  # More to read or run, as absolute paths:
  read_only: []
  # More to write, as absolute paths:
  read_write: []

landlock:
  # Enforce all that this kernel can, and report the rest. 'hard_requirement' refuses instead.
  compatibility: best_effort

# Which programs may reach which hosts. Empty: no network.
network_policies: {}

runtime:
  # How CUDA may name its threads. Only sandboxes with --gpu are affected.
  cuda_thread_names: auto
"""
"""What ``openshell policy default`` prints; a test parses it and compares with ``default()``."""


def default() -> Policy:
    """Return the built-in policy. No YAML is read for it, which keeps a run without a policy file fast."""
    return Policy(
        source=Source(None, sha256(TEXT.encode()), TEXT),
        declared={
            "version": 1,
            "filesystem_policy": {"include_workdir": True, "read_only": [], "read_write": []},
            "landlock": {"compatibility": "best_effort"},
            "network_policies": {},
            "runtime": {"cuda_thread_names": "auto"},
        },
        filesystem=FilesystemPolicy(include_workdir=True),
        cuda_thread_names_line=TEXT.count("\n"),  # it is the last one
    )
