"""Debian's packages, fetched by apt into a folder of our own: apt checks signatures and digests, and keeps what it has.

Nothing of the host's package state is read or changed but its sources, which say where Debian's archive is.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kernels.catalogue import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FRESH_SECONDS = 12 * 3600
"""Package lists are asked for again after this long."""


class Unavailable(Exception):
    """What is needed cannot be had; the message says what, and what to do."""


def command(*arguments: str | Path, **options: object) -> str:
    """Run a program to its end and return what it printed. Raises Unavailable with its last words if it fails."""
    try:
        done = subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    except FileNotFoundError:
        raise Unavailable(f"{arguments[0]} is not installed") from None
    if done.returncode:
        raise Unavailable(f"{' '.join(map(str, arguments[:2]))} failed: {done.stderr.strip()[-600:]}")
    return str(done.stdout)


class Apt:
    """apt with a state of its own in ``folder``, for these suites of Debian's."""

    def __init__(self, folder: Path, suites: tuple[str, ...] = SUITES) -> None:
        self.folder = folder
        self.suites = suites
        self.archives = folder / "archives"
        self.options: list[str] = []

    def prepare(self) -> None:
        """Write the sources and fetch the lists, unless that was done lately."""
        for name in ("lists/partial", "archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        sources = self.folder / "sources.list"
        settings = {
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self.folder,
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": "amd64",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",
        }
        self.options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
        text = "".join(f"deb [signed-by={KEYRING}] {address}\n" for address in _addresses(self.suites))
        if not (sources.exists() and sources.read_text() == text and self._is_fresh()):
            sources.write_text(text)
            command("apt-get", *self.options, "-q", "update")
            (self.folder / "fetched").touch()

    def _is_fresh(self) -> bool:
        stamp = self.folder / "fetched"
        return stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_SECONDS

    def newest(self, patterns: Iterable[str]) -> list[str | None]:
        """Return for each pattern the package of the highest version whose whole name fits, None for none."""
        names = command("apt-cache", *self.options, "pkgnames", "linux-").split()
        return [
            max((name for name in names if re.fullmatch(pattern, name)), key=_numbers, default=None)
            for pattern in patterns
        ]

    def with_dependencies(self, packages: Iterable[str], suite: str) -> list[str]:
        """Return these packages of a suite, and everything that they depend on, each as ``name=version``."""
        options = (*self.options, "-o", f"APT::Default-Release={suite}")
        listed = command("apt-get", *options, "--simulate", "install", *packages)
        found = re.findall(r"^Inst ([^\s:]+)\S* \((\S+) ", listed, re.MULTILINE)
        return [f"{name}={version}" for name, version in found]

    def fetch(self, packages: Iterable[str]) -> list[Path]:
        """Return the packages' files, fetched once for each version, and as the signed lists describe them."""
        wanted = sorted(packages)
        shown = command("apt-cache", *self.options, "show", "--no-all-versions", *wanted).split("\n\n")
        files, missing = [], []
        for text in filter(str.strip, shown):
            fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
            name, version = fields["Package"], fields["Version"]
            file = self.archives / f"{name}_{version.replace(':', '%3a')}_{fields['Architecture']}.deb"
            if not (file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == fields["SHA256"]):
                file.unlink(missing_ok=True)
                missing.append(f"{name}={version}")
            files.append(file)
        if missing:
            command("apt-get", *self.options, "-q", "download", *missing, cwd=self.archives)
        return files


def unpack(package: Path, folder: Path, *only: str) -> None:
    """Unpack a package into a folder, or the parts of it that these patterns name; links to folders there are kept."""
    select = ("--wildcards", *only) if only else ()
    with subprocess.Popen(("dpkg-deb", "--fsys-tarfile", package), stdout=subprocess.PIPE) as tar:
        command(
            "tar", "-C", folder, "--keep-directory-symlink", "--no-same-owner", "-xf", "-", *select, stdin=tar.stdout
        )


def _addresses(suites: tuple[str, ...]) -> list[str]:
    """Return address, suite and component of each suite; the addresses are those of the host's own sources."""
    format_ = "$(REPO_URI)"
    listed = command("apt-get", "indextargets", "Created-By: Packages", "--format", format_).split()
    archive, security = (
        next((address for address in listed if address.rstrip("/").endswith(name)), None)
        for name in ("/debian", "/debian-security")
    )
    if not archive or not security or not KEYRING.exists():
        raise Unavailable(
            "Debian's archive and its security updates must be among this host's package sources, and the package "
            "debian-archive-keyring installed: packages come from there"
        )
    return [f"{security if suite.endswith('-security') else archive} {suite} main" for suite in suites]


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]
