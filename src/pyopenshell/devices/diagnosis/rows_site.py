"""What a computing site puts around GPUs: Slurm's generic resources, Apptainer."""

from __future__ import annotations

from pyopenshell.devices.diagnosis.row import CERTAIN, LIKELY, Row

ROWS: tuple[Row, ...] = (
    Row(
        "slurm.gres-invalid",
        ("Invalid generic resource (gres) specification",),
        "sbatch, srun",
        "The job asks for a resource that no node of the partition has under this name, or a step asks for more than"
        " its job was given.",
        (
            "See what there is: sinfo -o '%P %N %G'; scontrol show node NODE | grep Gres",
            "Ask by that name: --gres=gpu:TYPE:COUNT (or --gpus=COUNT)",
            "For administrators: GresTypes=gpu and Gres=gpu:… in slurm.conf on all nodes, gres.conf on those with"
            " GPUs, then scontrol reconfigure",
        ),
        "NVIDIA/NeMo-Framework-Launcher#72, mehta-lab/recOrder#482",
        CERTAIN,
    ),
    Row(
        "slurm.node-file-missing",
        ("can't stat gres.conf file", "Waiting for gres.conf file"),
        "slurmd",
        "gres.conf names a device node that is not on this node: the driver was not loaded when slurmd started, or the"
        " node has fewer GPUs.",
        (
            "See: ls -l /dev/nvidia*; grep File /etc/slurm/gres.conf",
            "Load the driver before slurmd: sudo nvidia-modprobe -c 0 -u && sudo systemctl restart slurmd",
            "For good: sudo systemctl edit slurmd, with [Unit] After=nvidia-persistenced.service",
        ),
        "BiBiServ/bibigrid#705",
        CERTAIN,
        "node",
    ),
    Row(
        "slurm.no-nvml",
        ("We were configured to autodetect nvml functionality, but we weren't able to find that lib",),
        "slurmd",
        "gres.conf has AutoDetect=nvml, and this Slurm was built without NVML.",
        (
            "Install a build with NVML (the package's name often ends in -nvml), or name the devices: Name=gpu"
            " File=/dev/nvidia[0-3] in gres.conf",
            "Slurm 24.11 and later: AutoDetect=nvidia needs no library",
        ),
        "NVIDIA/deepops#1214",
        CERTAIN,
    ),
    Row(
        "slurm.gres-duplicate",
        ("gres.conf duplicate records for gpu",),
        "slurmd",
        "gres.conf has the same record twice, which AutoDetect does not forgive.",
        ("Delete the Name=gpu lines and keep AutoDetect=nvml, or the other way round",),
        "ComputeCanada/puppet-magic_castle#27",
        CERTAIN,
    ),
    Row(
        "apptainer.no-nv-files",
        ("Could not find any nv files on this host!",),
        "apptainer, singularity",
        "--nv looks for the driver's libraries in the dynamic linker's cache and found none: this host (a login node,"
        " perhaps) has no NVIDIA driver, or its libraries are elsewhere, as on Jetson.",
        (
            "On this host: ldconfig -p | grep libcuda; nvidia-smi",
            "Run it on a node with a GPU",
            "With libraries elsewhere: sudo ldconfig FOLDER, or list them in Apptainer's nvliblist.conf",
        ),
        "apptainer/singularity#6356, sylabs/singularity#2805",
        LIKELY,
        "driver",
    ),
)
