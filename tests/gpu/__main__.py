"""``make test-gpu``: the tests that take a GPU; on a machine without one, say that none was run.

Usage: ``python -m tests.gpu [ARGUMENTS OF PYTEST]``. Where there is no network, PYTHONPATH=src and a Python with pytest
and PyYAML are enough.
"""

import os
import subprocess
import sys

from evidence import gpu_host

from tests.gpu.conftest import ASKED


def main(arguments: list[str]) -> int:
    """Print what this host is, then run the tests; return pytest's exit status."""
    missing = gpu_host.why_not()
    if missing:
        print(f"nothing of tests/gpu was run: {missing}")
        return 0
    for name, value in gpu_host.facts().items():
        print(f"{name:<22}{', '.join(value) if isinstance(value, list) else value}")
    print(flush=True)
    folder = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-m", "pytest", "-v", folder, *arguments]
    return subprocess.run(command, env=os.environ | {ASKED: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
