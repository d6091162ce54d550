"""CUDA in a sandbox that stays: a command run in it, its main process attached to, a shell of OpenSSH's."""

import importlib.util
import json
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest
from evidence import gpu_host

from tests.confined.landlock.harness import needs_landlock
from tests.confined.launch import world
from tests.confined.whole import callers
from tests.conformance.clients.gateway import Gateway
from tests.gpu import ways
from tests.gpu.test_on_gpu import SMI, THREAD_NAMES, WORKING

pytestmark = needs_landlock

THROUGH = ("exec", "connect", "ssh")
STAYS = ("sleep", "infinity")
NAME = "gpu"
EACH = [(mode, how) for how in ways.HOW for mode in WORKING if mode == "auto" or how == "the command"]
"""Each way to name threads, and each way that programs come to run; all pairs of them are tried without a gateway."""
each_through = pytest.mark.parametrize("through", THROUGH)


@pytest.fixture(scope="module", params=["root", "user"])
def gateway(request):
    """A gateway of root's, and of an ordinary user's who can read this checkout."""
    for module in ("grpc", "sqlalchemy", "asyncssh"):
        if importlib.util.find_spec(module) is None:
            pytest.skip("needs: the packages of a gateway")
    if request.param == "root":
        world.needs_root()
    folder = Path(tempfile.mkdtemp(prefix="openshell-test.", dir="/var/tmp"))
    folder.chmod(0o755)
    settings = callers.USER if request.param == "user" else {}
    if settings:
        shutil.chown(folder, settings["user"], settings["group"])
    with Gateway(folder, **settings) as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture
def run(gateway, place, torch, outside):
    """Run a command in a sandbox of the gateway's; return exit code, output and messages of each process."""
    if not gpu_host.reachable(gpu_host.interpreter()):
        pytest.skip("needs: a Python from 3.11 on that other users can execute")
    assert outside["steps"], "it works without a sandbox"
    passed, libraries = gpu_host.loading(gateway.environment)
    values = [f"{name}={gateway.environment[name]}" for name in passed if not name.startswith("--")]
    variables = [word for value in values for word in ("--env", value)]
    folders = [place, *gpu_host.places_of(gpu_host.interpreter()), *libraries, *(torch.folders if torch else ())]

    def started(mode, through, how, *command, gpu=("--gpu",), read_only=()):
        policy = gateway.folder / "policy.yaml"
        policy.write_text(json.dumps(gpu_host.policy(mode, [*folders, *read_only])))
        words = ways.words(how, command)
        main = words if through == "connect" else STAYS
        options = ["--name", NAME, "--workdir", "none", "--no-tty", "--detach", "--policy", policy, *variables, *gpu]
        made = gateway.run("sandbox", "create", *options, "--", *main)
        assert 0 == made.returncode, made.stderr
        try:
            return ways.answers(how, reached(gateway, through, words))
        finally:
            gateway.run("sandbox", "delete", NAME)

    return started


def reached(gateway, through, words):
    """Run a command in the sandbox, or attach to the main process that it is already."""
    if through == "exec":
        return gateway.run("sandbox", "exec", "-n", NAME, "--", *words, timeout=gpu_host.SECONDS)
    if through == "connect":
        return gateway.run("sandbox", "connect", NAME, timeout=gpu_host.SECONDS)
    if shutil.which("ssh") is None:
        pytest.skip("needs: openssh-client")
    config = gateway.folder / "ssh_config"
    config.write_text(gateway.run("sandbox", "ssh-config", NAME).stdout)
    (host,) = [line.split()[1] for line in config.read_text().splitlines() if line.startswith("Host ")]
    return gateway.spawn(["ssh", "-F", config, host, shlex.join(words)], timeout=gpu_host.SECONDS)


@pytest.fixture
def probe(place, torch):
    """The command line of the probe, with a product where PyTorch is."""
    return gpu_host.probe(place, torch and torch.python)


@each_through
@pytest.mark.parametrize(("mode", "how"), EACH)
def test_cuda(run, probe, outside, torch, mode, through, how):
    """CUDA starts, counts what there is, and the product is right where PyTorch is."""
    for code, out, err in run(mode, through, how, *probe, gpu=("--gpu", "all")):
        assert out, err
        told = json.loads(out)
        expected = ["ok", "ok", "ok", "ok" if torch else "not tried"]
        assert expected == [step["status"] for step in told["steps"]], told
        assert outside["steps"][2]["found"]["devices"] == told["steps"][2]["found"]["devices"]
        assert 0 == code


@each_through
def test_off(run, probe, through):
    """Without thread names cuInit() answers 304, however the program was started."""
    ((code, out, err),) = run("off", through, "the command", *probe)
    assert out, err
    told = json.loads(out)
    assert (1, 304) == (code, told["steps"][1]["code"])
    assert THREAD_NAMES == told["lacking"][0]["path"]


@each_through
def test_no_gpu_wanted(run, probe, through):
    """No node of a GPU can be opened, so CUDA does not start."""
    ((code, out, err),) = run("broker", through, "the command", *probe, gpu=())
    assert out, err
    told = json.loads(out)
    assert (1, "failed") == (code, told["steps"][1]["status"])
    assert set(gpu_host.gpus()) <= {one["path"] for one in told["lacking"] if one["status"] == "denied"}


@each_through
def test_nvidia_smi(run, through):
    """The driver's own tool lists a GPU."""
    if SMI is None:
        pytest.skip("needs: nvidia-smi")
    folder = str(Path(SMI).parent)
    for code, out, err in run("auto", through, "the command", SMI, "-L", read_only=gpu_host.outside([folder])):
        assert 0 == code, out + err
        assert "GPU 0" in out
