"""A tool that used to call ``subprocess``: the same lines, with the programs behind a policy.

    python3 examples/integrations/shell_tool.py

All commands share one sandbox, so that each sees what those before it left in the working directory.
"""

from __future__ import annotations

from pyopenshell import Sandbox
from pyopenshell.integrations import subprocess

COMMANDS = ("echo 1 2 3 > numbers; wc -w < numbers", "cat /etc/shadow", "sleep 60")


def answer(command: str, box: Sandbox) -> str:
    """Return what a command says, or what became of it."""
    try:
        done = subprocess.run(command, shell=True, check=True, capture_output=True, text=True, timeout=2, sandbox=box)
    except subprocess.CalledProcessError as error:
        return f"exit status {error.returncode}: {str(error.stderr).strip()}"
    except subprocess.TimeoutExpired:
        return "took too long"
    return str(done.stdout).strip()


def main() -> None:
    """Run a few commands of which nobody knows whether they mean well."""
    with Sandbox() as box:
        for command in COMMANDS:
            print(f"{command}: {answer(command, box)}")


if __name__ == "__main__":
    main()
