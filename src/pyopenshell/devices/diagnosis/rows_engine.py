"""Container engines: what is switched off, not registered, or too old."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, Row

INSTALL = "Install the toolkit: the package nvidia-container-toolkit, from NVIDIA's repository"
RESTART = "sudo systemctl restart docker"

ROWS: tuple[Row, ...] = (
    Row(
        "cdi.off",
        ('could not select device driver "cdi"',),
        "docker",
        "A CDI device was asked for and this daemon has no CDI: it is switched off, or older than Docker 25.",
        (
            "See the version: docker version",
            'Switch it on: "features": {"cdi": true} in /etc/docker/daemon.json'
            " (or sudo nvidia-ctk runtime configure --runtime=docker --cdi.enabled)",
            f"Have the daemon read it: {RESTART}",
            "Rootless Docker reads ~/.config/docker/daemon.json: systemctl --user restart docker",
        ),
        "seen; NVIDIA/nvidia-container-toolkit#434",
        CERTAIN,
        "docker-cdi",
    ),
    Row(
        "docker.no-gpu-driver",
        (
            'could not select device driver "" with capabilities: [[gpu',
            'could not select device driver "nvidia" with capabilities',
        ),
        "docker, docker compose",
        "Docker had not found nvidia-container-runtime-hook when its daemon started, so nothing serves --gpus.",
        (
            INSTALL,
            "Register it: sudo nvidia-ctk runtime configure --runtime=docker",
            f"Have the daemon look again: {RESTART}",
            "Or ask by CDI name, without the hook: docker run --device nvidia.com/gpu=all …",
        ),
        "seen; docker/cli#2425, AbdBarho/stable-diffusion-webui-docker#423",
        CERTAIN,
        "driver",
    ),
    Row(
        "docker.no-gpu-vendor",
        ("failed to discover GPU vendor from CDI: no known GPU vendor found",),
        "docker",
        "This Docker serves --gpus through CDI, and found no CDI spec of a vendor that it knows.",
        (
            "Write a spec: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
            "Where there is no GPU that it could serve, leave --gpus out",
        ),
        "moby/moby#52048, ShaneIsrael/fireshare#689",
        CERTAIN,
        "unresolvable",
    ),
    Row(
        "docker.runtime-unknown",
        ("unknown or invalid runtime name: nvidia", "Unknown runtime specified nvidia"),
        "docker",
        "The daemon has no runtime of the name nvidia: the toolkit was not registered, or the daemon was not restarted"
        " since.",
        (
            INSTALL,
            "Register it: sudo nvidia-ctk runtime configure --runtime=docker",
            f"Have the daemon read it: {RESTART}",
            "With podman there is no such runtime; ask by CDI name: podman run --device nvidia.com/gpu=all …",
        ),
        "seen; NVIDIA/nvidia-docker#838",
        CERTAIN,
    ),
    Row(
        "docker.runtime-not-found",
        (
            'exec: "nvidia-container-runtime": executable file not found in $PATH',
            "fork/exec … nvidia-container-runtime: no such file or directory",
        ),
        "docker",
        "The runtime nvidia is registered, and its program nvidia-container-runtime is not installed.",
        (INSTALL, "Or take the runtime out of /etc/docker/daemon.json again, default-runtime too", RESTART),
        "NVIDIA/nvidia-docker#1190, NVIDIA/nvidia-docker#686",
        CERTAIN,
    ),
    Row(
        "docker.hook-not-found",
        ('exec: "nvidia-container-runtime-hook": executable file not found in $PATH',),
        "docker, runc",
        "The daemon has a GPU hook registered whose program is not installed any more.",
        (INSTALL, RESTART),
        "NVIDIA/nvidia-docker#958",
        CERTAIN,
    ),
    Row(
        "docker.gpus-needs-runtime",
        ("invoking the NVIDIA Container Runtime Hook directly (e.g. specifying the docker --gpus flag)",),
        "docker",
        "--gpus starts the toolkit's hook, and this toolkit is set to a mode (cdi; csv on Jetson) that works only"
        " through its runtime.",
        (
            "Ask for the runtime instead: docker run --runtime=nvidia -e NVIDIA_VISIBLE_DEVICES=all …",
            "Or by CDI name: docker run --device nvidia.com/gpu=all …",
            "Where nobody needs that mode: sudo nvidia-ctk config --in-place --set nvidia-container-runtime.mode=auto",
        ),
        "dstackai/dstack#2306, dusty-nv/jetson-containers#1703",
        CERTAIN,
    ),
    Row(
        "docker.gpus-flag-unknown",
        ("unknown flag: --gpus",),
        "docker",
        "The command is older than its --gpus flag, which Docker has since 19.03; its version is not the daemon's.",
        (
            "See both versions: docker version",
            "Upgrade the command: the package docker-ce-cli (or docker-cli)",
            "With podman ask by CDI name: podman run --device nvidia.com/gpu=all …",
        ),
        "NVIDIA/nvidia-docker#1165, NVIDIA/nvidia-docker#1199",
    ),
    Row(
        "docker.no-cdi",
        ('error gathering device information while adding custom device "nvidia.com/',),
        "docker, docker compose",
        "A CDI name was taken for the path of a device: the docker command, its compose plugin or the program that"
        " asked for the container is older than CDI names in them (Docker 25, Compose 2.30).",
        (
            "See the versions: docker version; docker compose version",
            "Upgrade the command, and replace docker-compose 1 by the plugin: docker compose",
            "Or ask without a CDI name: docker run --gpus all …; in a compose file under deploy.resources.reservations",
        ),
        "docker/compose#12184, podman-container-tools/podman#28309",
        CERTAIN,
    ),
    Row(
        "container.no-smi",
        (
            'exec: "nvidia-smi": executable file not found',
            "executable file `nvidia-smi` not found",
            "nvidia-smi: command not found",
            "nvidia-smi: not found",
        ),
        "docker, podman, shells",
        "The program nvidia-smi is not there. Drivers bring it, images do not: in a container it shows that the"
        " container was given no GPU. No engine says so where it does not know the request (podman 4.3 with --gpus,"
        " podman's Docker-compatible API with CDI devices).",
        (
            "In a container, see what it was given: ls -l /dev/nvidia*",
            "Ask by CDI name: podman run --device nvidia.com/gpu=all … (docker: --gpus all, or the same name)",
            "With --runtime=nvidia: -e NVIDIA_VISIBLE_DEVICES=all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            "On the host itself, install the driver's programs (the package nvidia-utils or its like); in an image see"
            " that PATH has /usr/bin",
        ),
        "NVIDIA/nvidia-docker#1668, NVIDIA/nvidia-docker#457, NVIDIA/nvidia-docker#341,"
        " NVIDIA/nvidia-container-toolkit#126",
        LIKELY,
        "driver",
    ),
    Row(
        "docker.device-missing",
        (
            'error gathering device information while adding custom device "/dev/nvidia',
            'error gathering device information while adding custom device "/dev/dri',
            'error gathering device information while adding custom device "/dev/kfd',
            'error gathering device information while adding custom device "/dev/dxg',
        ),
        "docker",
        "--device names a GPU's device node that is not on the host: no driver is loaded, or the GPU is another"
        " vendor's. On a Mac or in a virtual machine there is none.",
        (
            "See what there is: ls -l /dev/nvidia* /dev/dri /dev/kfd /dev/dxg (or openshell gpu list)",
            "Load the driver: sudo nvidia-modprobe -c 0 -u, or sudo modprobe amdgpu",
        ),
        "kersny/airsim_nvidia_docker#4, webanck/docker-wine-steam#15, Xilinx/Vitis-AI#1256",
        CERTAIN,
        "node",
    ),
    Row(
        "podman.no-cdi",
        ("stat nvidia.com/gpu=… no such file or directory",),
        "podman, docker compose on podman's socket",
        "A CDI name was taken for a path: podman is older than 4.1, the first with CDI, or compose is older than 2.30.",
        (
            "See the versions: podman --version; docker compose version",
            "Upgrade podman to 4.1 or later, and compose to 2.30 or later",
        ),
        "NVIDIA/nvidia-container-toolkit#63, podman-container-tools/podman#28309",
        CERTAIN,
    ),
    Row(
        "podman.runtime-unknown",
        ('default OCI runtime "nvidia" not found',),
        "podman",
        "podman was asked for a runtime named nvidia (--runtime, or runtime in containers.conf), and no"
        " containers.conf says which program that is.",
        (
            "Ask by CDI name, which needs no such runtime: podman run --device nvidia.com/gpu=all …",
            'Take runtime = "nvidia" out of containers.conf where it stands there',
        ),
        "NVIDIA/nvidia-docker#1544",
        CERTAIN,
    ),
    Row(
        "podman.device-denied",
        ("error creating device nodes: open … permission denied",),
        "runc, from rootless podman",
        "A rootless container was to be given a device in a way that runc cannot without root, most often twice: by"
        " --device /dev/dri and by CDI, or through nvidia-container-runtime.",
        (
            "Ask for the GPU by its CDI name alone: podman run --device nvidia.com/gpu=all …",
            "With crun, and without nvidia-container-runtime: podman --runtime crun run …",
        ),
        "NVIDIA/nvidia-container-toolkit#1151, containers/ramalama#1487",
        about=("nvidia", "/dev/dri", "/dev/kfd"),
    ),
)
