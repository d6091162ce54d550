"""What looking at the host tells: rows without a text of their own, which ``refine`` puts in place of general ones."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, Row

HERE = "openshell, from this host"
MAKE = "Write a spec: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml (the folder is made if it is missing)"
LOOK = "See then that the name resolves: nvidia-ctk cdi list (or openshell gpu list)"
CDI = "the CDI specification, its folders and their precedence"

ROWS: tuple[Row, ...] = (
    Row(
        "cdi.folder-missing",
        (),
        HERE,
        "CDI is on in the engine, and none of the folders that specs are read from exists: no spec was ever written.",
        (MAKE, LOOK),
        CDI,
        CERTAIN,
    ),
    Row(
        "cdi.folder-empty",
        (),
        HERE,
        "CDI is on in the engine and its folders are there, without a single spec: only names that end in .yaml or"
        " .json count.",
        (MAKE, "A file that ends in .yml is passed over: rename it to .yaml", LOOK),
        CDI,
        CERTAIN,
    ),
    Row(
        "cdi.folder-unreadable",
        (),
        HERE,
        "A folder of CDI specs cannot be read by you, and so not by a rootless engine of yours.",
        ("Open it for reading: sudo chmod a+rx FOLDER && sudo chmod a+r FOLDER/*", LOOK),
        CDI,
        CERTAIN,
    ),
    Row(
        "cdi.spec-refused",
        (),
        HERE,
        "There are specs with faults for which engines drop the whole spec without saying so, and every device in it.",
        ("See them all: openshell gpu lint", LOOK),
        CDI,
        CERTAIN,
    ),
    Row(
        "cdi.unknown-device",
        (),
        HERE,
        "No spec that can be used has a device of this name.",
        (
            "Ask for one that there is: openshell gpu list",
            "Where the GPU is new, or MIG instances were made: sudo nvidia-ctk cdi generate"
            " --output=/etc/cdi/nvidia.yaml",
        ),
        CDI,
        CERTAIN,
    ),
    Row(
        "cdi.name-is-there",
        (),
        HERE,
        "The name resolves here now: the spec was written since, the engine has not read it, or it looks in other"
        " folders.",
        (
            "Try again",
            "Where it fails still, restart the daemon: sudo systemctl restart docker (or containerd, crio)",
            "See where the engine looks: docker info; podman --cdi-spec-dir; cdi_spec_dirs in containerd's config.toml",
        ),
        CDI,
        LIKELY,
    ),
    Row(
        "cdi.other-folders",
        (),
        HERE,
        "The name resolves here, and the engine is set to read its specs from other folders.",
        (
            "Write the spec into one of the engine's folders: sudo nvidia-ctk cdi generate --output=FOLDER/nvidia.yaml",
            "Or take the setting out, so that it reads /etc/cdi and /var/run/cdi, and restart the engine",
        ),
        CDI,
        CERTAIN,
    ),
    Row(
        "cdi.switched-off",
        (),
        HERE,
        "CDI is switched off in the engine's configuration.",
        (
            'Docker: "features": {"cdi": true} in /etc/docker/daemon.json, then sudo systemctl restart docker',
            "containerd: enable_cdi = true for its CRI plugin in config.toml, then sudo systemctl restart containerd",
        ),
        "Docker's and containerd's documentation of CDI",
        CERTAIN,
    ),
    Row(
        "gpu.nodes-missing",
        (),
        HERE,
        "This host has a GPU and none of its device nodes: the driver is not loaded, or nobody has made the nodes yet.",
        (
            "NVIDIA: sudo modprobe nvidia && sudo nvidia-modprobe -c 0 -u (or nvidia-smi once as root)",
            "AMD: sudo modprobe amdgpu",
            "Where that fails, read why: sudo dmesg | grep -i -e nvrm -e nvidia -e amdgpu",
            "Then: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
        ),
        "/dev, and the class and vendor of PCI devices in /sys",
        CERTAIN,
    ),
    Row(
        "gpu.no-hardware",
        (),
        HERE,
        "This host has no GPU that CUDA or ROCm could use: no such device on its PCI bus, no /dev/dxg, no /dev/nvmap.",
        (
            "Was the text from another host? Then look there",
            "In a virtual machine, pass a GPU through; in a container, the host decides what is seen",
            "lspci -nn | grep -i -e nvidia -e amd",
        ),
        "/dev, and the class and vendor of PCI devices in /sys",
        LIKELY,
    ),
)
