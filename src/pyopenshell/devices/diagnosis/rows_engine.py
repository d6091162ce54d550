"""Container engines and Kubernetes: what is switched off, not registered, too old, or all in use."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, POSSIBLE, Row

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
        ('exec: "nvidia-container-runtime": executable file not found in $PATH',),
        "docker",
        "The runtime nvidia is registered, and its program nvidia-container-runtime is not installed.",
        (INSTALL, "Or take the runtime out of /etc/docker/daemon.json again, default-runtime too", RESTART),
        "NVIDIA/nvidia-docker#1190",
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
        CERTAIN,
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
            "Load the driver: sudo nvidia-modprobe -c=0 -u, or sudo modprobe amdgpu",
        ),
        "kersny/airsim_nvidia_docker#4, webanck/docker-wine-steam#15, Xilinx/Vitis-AI#1256",
        CERTAIN,
        "node",
    ),
    Row(
        "podman.no-cdi",
        ("stat nvidia.com/gpu=… no such file or directory",),
        "podman",
        "This podman takes a CDI name for a path: it is older than 4.1, the first with CDI.",
        ("See the version: podman --version", "Upgrade podman to 4.1 or later"),
        "NVIDIA/nvidia-container-toolkit#63",
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
    ),
    Row(
        "containerd.no-runtime",
        ('no runtime for "nvidia" is configured',),
        "kubelet, containerd",
        "The pod's runtime class wants a handler named nvidia that this node's containerd does not have.",
        (
            "On the node: sudo nvidia-ctk runtime configure --runtime=containerd && sudo systemctl restart containerd",
            "See whether containerd reads that file: sudo containerd config dump | grep -A3 nvidia",
            "With the GPU operator, see whether its toolkit pod is ready and writes to the file that containerd reads"
            " (k3s, RKE2, k0s and MicroK8s have their own)",
        ),
        "NVIDIA/gpu-operator#413, NVIDIA/k8s-device-plugin#479",
        CERTAIN,
    ),
    Row(
        "crio.no-runtime",
        ("failed to find runtime handler nvidia from runtime list",),
        "kubelet, CRI-O",
        "The pod's runtime class wants a handler named nvidia, and CRI-O has none; with CRI-O the GPU operator uses"
        " hooks or CDI and needs no such class.",
        (
            "Take runtimeClassName: nvidia out of the pod, or",
            "register it on the node: sudo nvidia-ctk runtime configure --runtime=crio && sudo systemctl restart crio",
        ),
        "NVIDIA/gpu-operator#1298, NVIDIA/NVSentinel#442",
        CERTAIN,
    ),
    Row(
        "k8s.insufficient",
        ("Insufficient nvidia.com/", "Insufficient amd.com/gpu"),
        "kube-scheduler",
        "No node has as many free GPUs as the pod asks for: the device plugin has registered none there, or all are in"
        " use.",
        (
            "See what nodes offer: kubectl describe nodes | grep -A8 Allocatable (nvidia.com/gpu must be there)",
            "Where it is missing, read the plugin's log: kubectl -n kube-system logs -l name=nvidia-device-plugin-ds",
            "Where it is there, see who uses them: kubectl describe nodes | grep -A20 'Allocated resources'",
            "See whether a taint or selector keeps the pod off the GPU nodes: kubectl describe pod POD",
        ),
        "seen",
    ),
    Row(
        "k8s.plugin-no-devices",
        (
            "Incompatible strategy detected auto",
            "Incompatible platform detected",
            "No devices found. Waiting indefinitely",
            "failed to construct resource managers: invalid device discovery strategy",
        ),
        "nvidia-device-plugin",
        "The device plugin's container has no NVML: it was started by the plain runtime, so the driver's libraries and"
        " devices were not given to it.",
        (
            "Register the runtime on the node: sudo nvidia-ctk runtime configure --runtime=containerd && sudo"
            " systemctl restart containerd",
            "Run the plugin with it: runtimeClassName: nvidia in its DaemonSet (helm: --set runtimeClassName=nvidia),"
            " or make it the default with --set-as-default",
            "On a node without a GPU keep the plugin away by a nodeSelector",
            "On the node itself: nvidia-smi must work",
        ),
        "NVIDIA/k8s-device-plugin#1134, NVIDIA/k8s-device-plugin#1470, NVIDIA/k8s-device-plugin#655",
        refine="driver",
    ),
    Row(
        "k8s.plugin-mig-permission",
        (
            "error getting device memory info: Insufficient Permissions",
            "error getting parent memory info: Insufficient Permissions",
        ),
        "nvidia-device-plugin, gpu-feature-discovery",
        "With MIG on, reading a GPU's state takes the monitor capability (/dev/nvidia-caps/nvidia-cap2), which this"
        " container does not have.",
        (
            "Give it to the plugin: the variable NVIDIA_MIG_MONITOR_DEVICES=all, and SYS_ADMIN where the image wants"
            " it",
            "With toolkit 1.18 and later in CDI mode: privileged: true, or nvidia-container-runtime.mode=legacy",
        ),
        "NVIDIA/k8s-device-plugin#399, NVIDIA/k8s-device-plugin#1683, NVIDIA/nvidia-container-toolkit#1740",
        CERTAIN,
    ),
    Row(
        "k8s.allocate-failed",
        ("Allocate failed due to requested number of devices unavailable for",),
        "kubelet",
        "The scheduler sent the pod to a node whose kubelet has no GPU left for it: a pod that ended still holds it,"
        " or a GPU turned unhealthy after the node was chosen.",
        (
            "Create the pod again; one in this state never starts: kubectl delete pod POD",
            "Where it repeats, compare: kubectl describe node NODE (Allocatable and Allocated)",
            "Read the plugin's log for GPUs that it marked unhealthy, and the node's for Xid: dmesg | grep -i xid",
        ),
        "kubernetes/kubernetes#130145",
        CERTAIN,
    ),
    Row(
        "k8s.unhealthy",
        ("no healthy devices present; cannot allocate unhealthy devices",),
        "kubelet",
        "The kubelet knows GPUs of this kind and holds all for unhealthy: the device plugin is gone (as after a"
        " restart), or reported them so.",
        (
            "See whether the plugin runs on that node: kubectl get pods -A -o wide | grep device-plugin",
            "Restart it: kubectl -n kube-system rollout restart daemonset nvidia-device-plugin-daemonset",
            "On the node: nvidia-smi; dmesg | grep -i xid",
        ),
        "trueforge-org/truecharts#19201",
        LIKELY,
    ),
    Row(
        "nvml.plugin-no-library",
        ("could not load NVML library: libnvidia-ml.so.1",),
        "nvidia-device-plugin, gpu-feature-discovery",
        "The plugin's container does not see libnvidia-ml.so.1. On a node with an NVIDIA driver it was started by the"
        " plain runtime; on others, and on Tegra, this is normal.",
        (
            "On the node: ldconfig -p | grep libnvidia-ml",
            "Run the plugin with the NVIDIA runtime: runtimeClassName: nvidia in its DaemonSet",
        ),
        "NVIDIA/k8s-device-plugin#444, NVIDIA/k8s-device-plugin#479",
        POSSIBLE,
        "driver",
    ),
)
