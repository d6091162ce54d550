"""A program that names threads of its own through /proc, as glibc does for CUDA, in every kind of process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.confined.launch import world

if TYPE_CHECKING:
    from tests.confined.launch.world import Sandbox

NAME = """
import threading
def name():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        path = f"/proc/self/task/{thread.native_id}/comm"
        fd = os.open(path, os.O_RDWR)
        os.write(fd, b"cuda-worker")
        os.close(fd)
        return open(path).read().strip()
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        done.set()
        thread.join()
"""
EVERYBODY = f"""
{NAME}
import subprocess
def told(write, text):
    os.write(write, text.encode())
    os._exit(0)
def forked(action):
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        told(write, action())
    os.close(write)
    return open(read).read()
def daemon():
    read, write = os.pipe()
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        if os.fork():
            os._exit(0)
        os.close(held)
        os.setsid()
        os.read(alive, 1)
        told(write, name() if os.getppid() != child else "not re-parented")
    os.waitpid(child, 0)
    os.close(held)
    os.close(write)
    return open(read).read()
answer["main"] = name()
answer["child"] = forked(name)
answer["grandchild"] = forked(lambda: forked(name))
answer["daemon"] = daemon()
code = "import errno, os" + given["name"] + "print(name())"
done = subprocess.run([given["python"], "-I", "-S", "-c", code], stdout=subprocess.PIPE, text=True)
answer["executed"] = done.stdout.strip()
"""
WHO = ("main", "child", "grandchild", "daemon", "executed")


def names(sandbox: Sandbox, *options: object, **settings: Any) -> Any:
    """Let everybody name a thread inside; return each one's answer."""
    return sandbox.ask(EVERYBODY, *options, name=NAME, python=world.PYTHON, **settings)


def everybody(answer: str) -> dict[str, str]:
    """Return the answer of all who try."""
    return dict.fromkeys(WHO, answer)
