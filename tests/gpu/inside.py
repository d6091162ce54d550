"""Run a command the way programs come to run: as a grandchild, or several times at once. Needs no package.

Usage: ``python3 inside.py grandchild|several COMMAND...``. Prints a JSON list of [exit code, stdout, stderr].
"""

import json
import os
import subprocess
import sys

AT_ONCE = 4


def grandchild(command: list[str]) -> list[tuple[int, str, str]]:
    """Fork a child that forks and executes the command."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        with open(writer, "w") as pipe:
            json.dump([done.returncode, done.stdout, done.stderr], pipe)
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        answer = json.load(pipe)
    os.waitpid(pid, 0)
    return [answer]


def several(command: list[str]) -> list[tuple[int, str, str]]:
    """Start the command several times before waiting for any."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, **pipes) for _ in range(AT_ONCE)]  # type: ignore[call-overload]
    ended = [(one, *one.communicate()) for one in started]
    return [(one.returncode, out, err) for one, out, err in ended]


if __name__ == "__main__":
    how = {"grandchild": grandchild, "several": several}[sys.argv[1]]
    print(json.dumps(how(sys.argv[2:])))
