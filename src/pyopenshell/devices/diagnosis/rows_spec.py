"""CDI: specs that name what the host does not have, or not any more, and specs that cannot be made."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, POSSIBLE, Row

LINT = "Check the specs: openshell gpu lint"
GENERATE = "Write the spec again: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
RENUMBERED = f"{GENERATE} (where GPUs or the nodes under /dev/dri are others, or have other numbers, than then)"
"""What mends a spec that is older than the devices."""
VOLUMES = ("/data/", "/home/", "/mnt/", "/root/", "/srv/")
"""Where files of users are, whatever their names: a driver installs nothing there."""

ROWS: tuple[Row, ...] = (
    Row(
        "cdi.node-missing",
        ("failed to stat CDI host device",),
        "podman, docker, containerd, the NVIDIA container runtime",
        "The spec names a device node that is not on the host: its kernel module is not loaded yet, or the spec is"
        " older than the present devices (another GPU, another number of a DRM node).",
        (
            "Load what makes the NVIDIA nodes: sudo nvidia-modprobe -c 0 -u && sudo nvidia-modprobe -m",
            RENUMBERED,
            "Write every copy again: /etc/cdi and /var/run/cdi are both read",
            LINT,
        ),
        "seen; NVIDIA/nvidia-container-toolkit#885",
        CERTAIN,
        "node",
    ),
    Row(
        "cdi.node-type",
        ("CDI device … host type mismatch",),
        "podman, docker, containerd",
        "What the spec calls a character or block device is something else on the host, most often a plain file that"
        " was made where a node should be.",
        (
            "See what it is: ls -l PATH",
            "Remove it and let the driver make the node: sudo nvidia-modprobe -c 0 -u",
            LINT,
        ),
        "cncf-tags/container-device-interface, pkg/cdi/container-edits_unix.go",
        CERTAIN,
        "node",
    ),
    Row(
        "cdi.mount-missing",
        (
            "failed to fulfil mount request: open … nvidia",
            "failed to fulfil mount request: open … libcuda",
            "failed to fulfil mount request: open … libnv",
            "crun: … cannot stat … nvidia … : No such file or directory",
            "crun: … cannot stat … libcuda … : No such file or directory",
            "crun: … cannot stat … libnv … : No such file or directory",
            "error mounting … nvidia … to rootfs at … : stat … no such file or directory",
            "error mounting … libcuda … to rootfs at … : stat … no such file or directory",
        ),
        "runc, crun",
        "The spec mounts a file that is not on the host any more: the driver was upgraded since, and the versions in"
        " the names of its libraries changed.",
        (
            GENERATE,
            "Keep it fresh: sudo systemctl enable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service",
            LINT,
        ),
        "seen; NVIDIA/nvidia-container-toolkit#856, NVIDIA/nvidia-container-toolkit#450,"
        " NVIDIA/nvidia-container-toolkit#692, containers/ramalama#1900",
        CERTAIN,
        "files",
        unless=tuple(f"{what} {folder}" for folder in VOLUMES for what in ("request: open", "cannot stat")),
    ),
    Row(
        "engine.mount-missing",
        (
            "failed to fulfil mount request: open … no such file or directory",
            "crun: … cannot stat … : No such file or directory: OCI runtime attempted to invoke a command",
        ),
        "runc, crun",
        "A file that was to be mounted is not on the host: the source of a volume of yours, or a file that a CDI spec"
        " names.",
        (
            "See whether it is there, as the engine's user: ls -l PATH",
            "Where you asked for that volume, make its source, or leave it out",
            f"{LINT} (a file that a spec names and that is gone is told there)",
        ),
        "seen",
        POSSIBLE,
        "files",
    ),
    Row(
        "cdi.hook-missing",
        (
            "fork/exec … nvidia-cdi-hook: no such file or directory",
            "fork/exec … nvidia-ctk: no such file or directory",
        ),
        "runc, podman, docker",
        "The spec has the engine run a program of the toolkit that is not at that path: the toolkit was removed,"
        " moved, or renamed the program (nvidia-ctk became nvidia-cdi-hook).",
        (
            "See where it is: command -v nvidia-cdi-hook nvidia-ctk",
            "Install nvidia-container-toolkit (its base package is enough) where it is missing",
            GENERATE,
        ),
        "seen; void-linux/void-packages#52507",
        CERTAIN,
    ),
    Row(
        "cdi.hook-failed",
        ("error executing hook … nvidia-cdi-hook … (exit code:", "error executing hook … nvidia-ctk … (exit code:"),
        "crun",
        "A program that the spec has run at the start failed; crun does not pass on what it said. Most often it is"
        " older than the spec and lacks the hook's command, or the container brings a /dev of its own.",
        (
            "See the versions: nvidia-ctk --version, and cdiVersion and the hooks' args in the spec",
            "Upgrade nvidia-container-toolkit to one version in all its packages",
            GENERATE,
            "Without a volume on /dev; else leave out the chmod hook of older specs",
            "Read what the hook says: podman --runtime runc run …",
        ),
        "ublue-os/bluefin#3454, Igalia/webkit-container-sdk#72, NVIDIA/nvidia-container-toolkit#143",
    ),
    Row(
        "cdi.generate-no-nvml",
        ("failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND",),
        "nvidia-ctk",
        "nvidia-ctk found no libnvidia-ml.so.1: the driver's libraries are not installed, or not where it looks.",
        (
            "See where it is: ldconfig -p | grep libnvidia-ml (or find / -name 'libnvidia-ml.so*')",
            "With a driver container: sudo nvidia-ctk cdi generate --driver-root=/run/nvidia/driver"
            " --output=/etc/cdi/nvidia.yaml",
            "Elsewhere: sudo nvidia-ctk cdi generate --library-search-path=FOLDER --output=/etc/cdi/nvidia.yaml",
        ),
        "NVIDIA/nvidia-container-toolkit#118, NixOS/nixpkgs#397065",
        CERTAIN,
    ),
    Row(
        "cdi.generate-no-libcuda",
        ("failed to get libraries for driver version: failed to locate libcuda.so",),
        "nvidia-ctk",
        "nvidia-ctk found the driver's version and not the library libcuda.so of that version: the libraries are in a"
        " folder that it does not search, or of another version.",
        (
            "See what there is: ldconfig -p | grep libcuda; cat /proc/driver/nvidia/version",
            "Name the folder: sudo nvidia-ctk cdi generate --library-search-path=FOLDER --output=/etc/cdi/nvidia.yaml",
            "Where the versions differ, install the driver's libraries of the version that runs, or reboot into the"
            " new",
        ),
        "NVIDIA/nvidia-container-toolkit#735, NVIDIA/nvidia-container-toolkit#82",
        CERTAIN,
    ),
    Row(
        "cdi.generate-too-early",
        (
            "failed to create device CDI specs: failed to initialize NVML: Driver Not Loaded",
            "nvidia-cdi-refresh … failed to initialize NVML: Driver Not Loaded",
        ),
        "nvidia-ctk, nvidia-cdi-refresh.service",
        "The spec was to be written before the driver was loaded, as happens at boot, so there is none, or an old one.",
        (
            "Run it again: sudo systemctl restart nvidia-cdi-refresh.service",
            "Have it wait: sudo systemctl edit nvidia-cdi-refresh.service, with [Unit]"
            " After=nvidia-persistenced.service",
            "Upgrade the toolkit: from 1.18.2 on it tries again by itself",
        ),
        "NVIDIA/nvidia-container-toolkit#1611",
        CERTAIN,
    ),
)
