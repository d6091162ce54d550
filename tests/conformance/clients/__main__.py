"""``make test-clients``: make the clients' environments, then run their tests against gateways of this checkout.

Usage: ``python -m tests.conformance.clients [--lock | ARGUMENTS OF PYTEST]``; ``--lock`` resolves what the clients need
again and writes the locks.
"""

import os
import subprocess
import sys
import time

from tests.conformance.clients import environments
from tests.kernels.packages import Unavailable


def main(arguments: list[str]) -> int:
    """Return pytest's exit status, or 1 with a message where an environment cannot be had."""
    begin = time.monotonic()
    try:
        if arguments == ["--lock"]:
            environments.resolve()
            return 0
        environments.prepare()
    except Unavailable as problem:
        print(f"test-clients: {problem}", file=sys.stderr)
        return 1
    print(f"{len(environments.ENVIRONMENTS)} environments are here after {time.monotonic() - begin:.0f} s", flush=True)
    folder = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", folder, *arguments]
    return subprocess.run(command, env=os.environ | {environments.ASKED: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
