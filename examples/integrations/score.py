"""Many small jobs on data that nobody vouches for, each in a sandbox of its own.

    python3 examples/integrations/score.py

What a job returns is plain data; what it raises arrives as text. A job that crashes takes only itself along.
"""

from __future__ import annotations

import ast
import os
from concurrent.futures import Future, as_completed

from pyopenshell.integrations.executor import RemoteError, SandboxExecutor, TaskTimeout, WorkerLost

EXPRESSIONS = ("6 * 7", "1 / 0", "__import__('os')._exit(1)", "open('/etc/shadow').read()", "9 ** 9 ** 9 ** 9")


def evaluate(expression: str) -> str:
    """Work out an expression that somebody sent. Runs in a sandbox: whatever it does, it does there."""
    tree = ast.parse(expression, mode="eval")
    return f"{eval(compile(tree, 'expression', 'eval'))} (process {os.getpid()} of its sandbox)"


def outcome(future: Future[str]) -> str:
    """Return what came of one, in a line."""
    try:
        return future.result()
    except RemoteError as error:
        return f"raised {error.type}: {error.text}"
    except TaskTimeout:
        return "took too long"
    except WorkerLost as error:
        return str(error)


def main() -> None:
    """Evaluate all of them, two at a time."""
    with SandboxExecutor(max_workers=2, max_tasks_per_child=1, task_timeout=5) as executor:
        futures = {executor.submit(evaluate, expression): expression for expression in EXPRESSIONS}
        for future in as_completed(futures):
            print(f"{futures[future]}: {outcome(future)}")


if __name__ == "__main__":
    main()
