"""What container engines are configured to: their files are read as they would read them, whatever stands in them."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from pyopenshell.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LIMIT = 1 << 20
"""Bytes of a configuration file; a larger one is not read."""
MAX_FILES = 100
"""Files of one engine that are read."""


class Settings(Record):
    """What the files say together. ``cdi`` is None where none says it, and ``said`` where it is said."""

    cdi: bool | None = None
    said: str = ""
    runtimes: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    invalid: tuple[tuple[str, str], ...] = ()


class _Files:
    """Files that are read one after another; what was wrong with them is kept."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.unreadable: list[str] = []
        self.invalid: list[tuple[str, str]] = []
        self.count = 0

    def load(self, path: str, parse: Callable[[str], Any]) -> dict[str, Any]:
        """Return a file's mapping; an empty one for a file that is missing, unreadable or no such thing."""
        self.count += 1
        if self.count > MAX_FILES:
            return {}
        try:
            fd = os.open(self.root + path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.unreadable.append(path)
            return {}
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                self.invalid.append((path, "it is no regular file"))
                return {}
            try:
                data = file.read(LIMIT + 1)
                if len(data) > LIMIT:
                    raise ValueError(f"it is larger than {LIMIT} bytes")
                found = parse(data.decode("utf-8")) if data.strip() else {}
            except (ValueError, RecursionError) as error:
                self.invalid.append((path, str(error) or "it is nested too deeply"))
                return {}
            except OSError:
                self.unreadable.append(path)
                return {}
        if isinstance(found, dict):
            return found
        self.invalid.append((path, "it is no mapping"))
        return {}

    def listed(self, folder: str, ending: str) -> list[str]:
        """Return the files of a drop-in folder in their order."""
        try:
            names = sorted(os.listdir(self.root + folder))
        except OSError:
            return []
        return [f"{folder}/{name}" for name in names if name.endswith(ending) and not name.startswith(".")]

    def settings(self, cdi: bool | None, said: str, runtimes: Iterator[str]) -> Settings:
        """Return what was found, with what was wrong."""
        return Settings(cdi, said, tuple(dict.fromkeys(runtimes)), tuple(self.unreadable), tuple(self.invalid))


def read(engine: str, environ: Mapping[str, str], root: str = "") -> Settings:
    """Return the settings of an engine by its name; of one whose files say nothing about GPUs, none."""
    reader = {"docker": _docker, "containerd": _containerd, "podman": _podman, "cri-o": _crio, "kubelet": _kubelet}
    return reader[engine](_Files(root), environ)


def _docker(files: _Files, environ: Mapping[str, str]) -> Settings:
    """dockerd(8): daemon.json, the user's own where a rootless daemon is started."""
    import json

    cdi, said = None, ""
    runtimes: dict[str, Any] = {}
    for path in ("/etc/docker/daemon.json", *_config(environ, "docker/daemon.json")):
        found = files.load(path, json.loads)
        value = _get(found, "features", "cdi")
        if isinstance(value, bool):
            cdi, said = value, f"features.cdi in {path}"
        runtimes |= _mapping(found, "runtimes")
    return files.settings(cdi, said, iter(runtimes))


CONTAINERD_PLUGINS = ("io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri", "cri")
"""What the plugin is called that serves Kubernetes, in versions 3, 2 and 1 of the configuration."""


def _containerd(files: _Files, _environ: Mapping[str, str]) -> Settings:
    """containerd-config.toml(5): the file, and what it imports, which may be patterns."""
    import fnmatch
    import tomllib

    cdi, said = None, ""
    runtimes: dict[str, Any] = {}
    main = "/etc/containerd/config.toml"
    found = files.load(main, tomllib.loads)
    documents = [(main, found)]
    imports = found.get("imports")
    for pattern in imports if isinstance(imports, list) else []:
        if isinstance(pattern, str):
            folder, _, name = os.path.join("/etc/containerd", pattern).rpartition("/")
            chosen = [path for path in files.listed(folder, "") if fnmatch.fnmatch(os.path.basename(path), name)]
            documents += [(path, files.load(path, tomllib.loads)) for path in chosen]
    for path, document in documents:
        for plugin in CONTAINERD_PLUGINS:
            value = _get(document, "plugins", plugin, "enable_cdi")
            if isinstance(value, bool):
                cdi, said = value, f"enable_cdi in {path}"
            runtimes |= _mapping(document, "plugins", plugin, "containerd", "runtimes")
    return files.settings(cdi, said, iter(runtimes))


def _podman(files: _Files, environ: Mapping[str, str]) -> Settings:
    """containers.conf(5): the distribution's, the administrator's, the user's."""
    import tomllib

    paths = ["/usr/share/containers/containers.conf", "/etc/containers/containers.conf"]
    paths += files.listed("/etc/containers/containers.conf.d", ".conf")
    paths += _config(environ, "containers/containers.conf")
    runtimes: dict[str, Any] = {}
    for path in paths:
        runtimes |= _mapping(files.load(path, tomllib.loads), "engine", "runtimes")
    return files.settings(None, "", iter(runtimes))


def _crio(files: _Files, _environ: Mapping[str, str]) -> Settings:
    """crio.conf(5) and its drop-in folder."""
    import tomllib

    runtimes: dict[str, Any] = {}
    for path in ("/etc/crio/crio.conf", *files.listed("/etc/crio/crio.conf.d", "")):
        runtimes |= _mapping(files.load(path, tomllib.loads), "crio", "runtime", "runtimes")
    return files.settings(None, "", iter(runtimes))


def _kubelet(files: _Files, _environ: Mapping[str, str]) -> Settings:
    """KubeletConfiguration (kubelet.config.k8s.io/v1beta1): its feature gates."""
    import yaml

    def parse(text: str) -> Any:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from error

    path = "/var/lib/kubelet/config.yaml"
    value = _get(files.load(path, parse), "featureGates", "DevicePluginCDIDevices")
    cdi = value if isinstance(value, bool) else None
    return files.settings(cdi, f"the feature gate DevicePluginCDIDevices in {path}", iter(()))


def _config(environ: Mapping[str, str], name: str) -> list[str]:
    """Return the path beneath the user's configuration folder, where one is known."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):
        base = environ.get("HOME", "") + "/.config"
    return [f"{base}/{name}"] if base.startswith("/") and os.geteuid() != 0 else []


def _get(document: object, *keys: str) -> object:
    """Return what lies beneath these keys, None where one of them is missing or holds no mapping."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _mapping(document: object, *keys: str) -> dict[str, Any]:
    found = _get(document, *keys)
    return found if isinstance(found, dict) else {}
