"""What the operator wrote, as frozen values. Positions are kept, so that every grant can name its line."""

from __future__ import annotations

from pyopenshell.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from typing import Any

MAX_PATHS = 256
"""Paths a policy may declare, read-only and read-write together (OpenShell's limit)."""
MAX_PATH_LENGTH = 4096
"""Characters a declared path may have (OpenShell's limit, and PATH_MAX)."""
MAX_CONTRIBUTORS = 16
"""Contributors a policy may name."""
MAX_FILE_SIZE = 1 << 20
"""Bytes a policy file may have. 256 paths of 4,096 characters would not fit, but no policy of people is larger."""

COMPATIBILITY = ("best_effort", "hard_requirement")
CUDA_THREAD_NAMES = ("auto", "broker", "write_file", "off")
KERNEL_LOG = ("denials", "off")


class DeclaredPath(Record):
    """One path of ``filesystem_policy``, with its place in the file (both from 1; 0 when there is no file)."""

    path: str
    line: int = 0
    column: int = 0


class FilesystemPolicy(Record):
    """``filesystem_policy``: the paths a sandbox may read, and those it may also write."""

    include_workdir: bool = False
    read_only: tuple[DeclaredPath, ...] = ()
    read_write: tuple[DeclaredPath, ...] = ()


class NamedContributor(Record):
    """One name of ``runtime.contributors``, with its place in the file (both from 1; 0 when there is no file)."""

    name: str
    line: int = 0
    column: int = 0


class ProcessPolicy(Record):
    """``process``: user and group, each a name or a number as text, or None when not declared."""

    run_as_user: str | None = None
    run_as_group: str | None = None


class Endpoint(Record):
    """One endpoint of a network policy, as text for people; ``line`` is its place in the file."""

    label: str
    line: int = 0


class NetworkPolicy(Record):
    """One entry of ``network_policies``. Parsed and checked in full; enforced as deny-all for now."""

    key: str
    name: str
    endpoints: tuple[Endpoint, ...] = ()
    binaries: tuple[str, ...] = ()
    line: int = 0


class Source(Record):
    """Where a policy came from: ``file`` (None for the built-in one), SHA-256 of its bytes, and its text."""

    file: str | None
    sha256: str
    text: str


class Policy(Record):
    """A validated policy. ``declared`` is the document as written: keys, values and order.

    ``cuda_thread_names_line`` is where that key's value stands, 0 where it does not.
    """

    source: Source
    declared: dict[str, Any]
    version: int = 1
    filesystem: FilesystemPolicy = FilesystemPolicy()
    compatibility: str = "best_effort"
    process: ProcessPolicy = ProcessPolicy()
    network: tuple[NetworkPolicy, ...] = ()
    cuda_thread_names: str = "auto"
    cuda_thread_names_line: int = 0
    kernel_log: str = "denials"
    kernel_log_quiet: tuple[str, ...] = ()
    contributors: tuple[NamedContributor, ...] = ()

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Policy:
        r"""Return the policy in a file.

        Raises PolicyError with every mistake in it, and OpenShellError (``policy.unreadable``) where there is nothing
        to parse: it is missing, cannot be read, is too large, or is no file.

        Example:
            >>> import os, tempfile
            >>> from pyopenshell import Policy
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = os.path.join(folder, "policy.yaml")
            ...     with open(path, "w") as file:
            ...         _ = file.write("version: 1\nfilesystem_policy:\n  read_only: [/opt]\n")
            ...     policy = Policy.load(path)
            >>> [entry.path for entry in policy.filesystem.read_only]
            ['/opt']

        """
        from pyopenshell.policy import making

        return making.load(path)

    @classmethod
    def parse(cls, text: str | bytes, file: str | None = None) -> Policy:
        r"""Return the policy that a text holds, in YAML; ``file`` names it in messages. Raises PolicyError.

        Example:
            >>> from pyopenshell import Policy
            >>> Policy.parse("version: 1\nlandlock: {compatibility: hard_requirement}").compatibility
            'hard_requirement'

        """
        from pyopenshell.policy import making

        return making.parse(text, file)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Policy:
        """Return the policy that a mapping describes, with the keys of a policy file. Raises PolicyError.

        Its text, in reports and records, is YAML that is made from the mapping. Paths may be ``pathlib`` ones.

        Example:
            >>> from pyopenshell import Policy
            >>> policy = Policy.from_dict({"version": 1, "filesystem_policy": {"read_only": ["/opt"]}})
            >>> policy == Policy.parse(policy.source.text)
            True

        """
        from pyopenshell.policy import making

        return making.from_dict(mapping)

    @classmethod
    def default(cls) -> Policy:
        """Return the built-in policy: the working directory, no network.

        Example:
            >>> from pyopenshell import Policy
            >>> Policy.default().filesystem.include_workdir
            True

        """
        from pyopenshell.policy.default import default

        return default()
