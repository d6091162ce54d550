"""langchain-nvidia-openshell: the file and command tools of Deep Agents, carried out in a managed sandbox."""

import hashlib

from langchain_nvidia_openshell import OpenShellSandbox
from openshell import Sandbox
from telling import GIVEN, check, tell

LARGE = bytes(range(256)) * 5000
SCRIPT = "set -e\nfor n in 1 2 3; do\n  echo line $n\ndone\nexit 4\n"


def entries(found, root):
    """Return the paths of what was found, below the folder."""
    return sorted(entry["path"].removeprefix(root).strip("/") for entry in found)


@check
def identity(backend, _root):
    return bool(backend.id)


@check
def command(backend, _root):
    done = backend.execute("echo out; echo err >&2; exit 3")
    return [done.output, done.exit_code, done.truncated]


@check
def script(backend, _root):
    """Commands of several lines go in by the shell's input."""
    done = backend.execute(SCRIPT)
    return [done.output, done.exit_code]


@check
def timeout(backend, _root):
    done = backend.execute("sleep 60", timeout=1)
    return done.exit_code


@check
def truncated(backend, _root):
    done = backend.execute("head -c 2000000 /dev/zero | tr '\\0' x")
    return [len(done.output), done.truncated, done.exit_code]


@check
def unknown(backend, _root):
    return backend.execute("no-such-command").exit_code


@check
def uploaded_and_downloaded(backend, root):
    (up,) = backend.upload_files([(f"{root}/deep/file.bin", LARGE)])
    inside = backend.execute(f"sha256sum {root}/deep/file.bin").output.split()[0]
    (down,) = backend.download_files([f"{root}/deep/file.bin"])
    return [up.error, inside == hashlib.sha256(LARGE).hexdigest(), down.error, down.content == LARGE]


@check
def failures(backend, root):
    wanted = [f"{root}/nothing", f"{root}/deep", "relative", GIVEN["secret"]]
    ups = backend.upload_files([("/usr/no", b"x"), ("relative", b"x")])
    downs = [one.error for one in backend.download_files(wanted)]
    # A file outside the policy is either denied, or not there at all.
    downs[-1] = downs[-1] in ("permission_denied", "file_not_found")
    return [[one.error for one in ups], downs]


@check
def files(backend, root):
    """Write, read a page of it, edit, list, search by content and by name."""
    text = "".join(f"line {n}\n" for n in range(1, 21))
    written = backend.write(f"{root}/notes.txt", text)
    edited = backend.edit(f"{root}/notes.txt", "line 7", "line seven")
    page = backend.read(f"{root}/notes.txt", offset=5, limit=3)
    listed = backend.ls(root)
    matched = backend.grep("seven", path=root)
    found = backend.glob("*.txt", path=root)
    return [
        written.error,
        [edited.error, edited.occurrences],
        page.file_data["content"].splitlines(),
        entries(listed.entries, root),
        [[match["line"], match["text"]] for match in matched.matches],
        entries(found.matches, root),
    ]


if __name__ == "__main__":
    with Sandbox(workspace="default", labels={"client": "langchain"}) as managed:
        using = OpenShellSandbox(sandbox=managed)
        tell(using, using.execute("pwd").output.strip())
