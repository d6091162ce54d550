"""The example distribution: pip installs it beside this checkout, and its contributor works as its page says."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pytest
import yaml

from pyopenshell.contributor import Identity, Refusal, Request
from tests.confined.contributors.installation import INTERPRETER, goes_there
from tests.confined.landlock.harness import needs_landlock
from tests.unit.test_packaging import OLDEST_SETUPTOOLS, installed_setuptools

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "contributor"
SECONDS = 300
COPIED = ("src", "bin", "pyproject.toml", "README.md", "LICENSE", "examples/contributor")


@pytest.fixture(scope="module")
def environment():
    """A virtual environment into which pip has installed this checkout and the example, without a network."""
    if not importlib.util.find_spec("pip") or installed_setuptools() < OLDEST_SETUPTOOLS:
        pytest.skip(f"needs: pip and setuptools {OLDEST_SETUPTOOLS}")
    if not goes_there(INTERPRETER):
        pytest.skip("needs: an interpreter that everybody can execute")
    folder = Path(tempfile.mkdtemp(prefix="openshell-example."))
    try:
        yield _installed(folder)
    finally:
        shutil.rmtree(folder)


def _installed(folder):
    """Install copies of the two, because building litters; return the environment."""
    folder.chmod(0o755)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for name in COPIED:
        source, target = ROOT / name, folder / "copy" / name
        shutil.copytree(source, target, ignore=ignored) if source.is_dir() else shutil.copy(source, target)
    venv.EnvBuilder(symlinks=True).create(folder / "venv")
    site = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (site / "others.pth").write_text("".join(f"{place}\n" for place in {_place("yaml"), _place("setuptools")}))
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "venv/bin/python"]
    options = ["install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--no-compile"]
    paths = [folder / "copy", folder / "copy" / "examples" / "contributor"]
    done = subprocess.run([*map(str, (*command, *options, *paths))], capture_output=True, text=True, timeout=SECONDS)
    assert 0 == done.returncode, done.stderr
    return folder / "venv"


def _place(name):
    """The folder that a module is imported from."""
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.origin
    return Path(spec.origin).parents[1]


@needs_landlock
def test_the_example_as_its_page_tells(environment, workdir, open_folder, tmp_path):
    """Installed and configured as there: the program reads the models, keeps its kernels, and all of it is shown."""
    kernels = open_folder / "kernels" / os.uname().machine
    for path in (open_folder / "models", kernels):
        path.mkdir(parents=True)
    kernels.chmod(0o777)
    (open_folder / "models" / "small").write_text("weights\n")
    (environment / "etc").mkdir()
    settings = {"models": [f"{open_folder}/models"], "kernels": f"{open_folder}/kernels"}
    (environment / "etc" / "model-cache.json").write_text(json.dumps(settings))
    policy = tmp_path / "policy.yaml"
    policy.write_text(next(part for part in (EXAMPLE / "README.md").read_text().split("```yaml\n")[1:]).split("```")[0])
    assert ["model-cache"] == yaml.safe_load(policy.read_text())["runtime"]["contributors"]

    def openshell(*words):
        command = [environment / "bin" / "openshell", *words]
        return subprocess.run(command, cwd=workdir, capture_output=True, text=True, timeout=SECONDS)

    assert "contributor model-cache is openshell-model-cache 1.0.0" in openshell("policy", "validate", policy).stdout
    program = f"cat {open_folder}/models/small && echo compiled >{kernels}/one; echo no >{open_folder}/models/other"
    done = openshell("run", "--name", "trained", "--policy", policy, "--", "sh", "-c", program)
    assert "weights\n" == done.stdout, done.stderr
    assert "compiled\n" == (kernels / "one").read_text()
    assert not (open_folder / "models" / "other").exists()
    shown = openshell("policy", "get", "trained", "--full").stdout
    assert "contributor/model-cache" in shown
    assert "openshell_model_cache:contribute" in shown


@pytest.fixture
def example(monkeypatch, tmp_path):
    """The example's module, with its settings in a folder of the test's."""
    spec = importlib.util.spec_from_file_location("openshell_model_cache", EXAMPLE / "openshell_model_cache.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SETTINGS", tmp_path / "model-cache.json")
    return module


def request():
    """A request as an author's own tests make it."""
    identity = Identity(uid=1000, gid=1000, groups=(), home="/home/ada")
    return Request(name="model-cache", command=("true",), workdir="/src", identity=identity, architecture="aarch64")


def test_without_settings(example):
    """The usual folders."""
    asked = [(grant.path, grant.access) for grant in example.contribute(request())]
    kernels = ("/var/cache/model-kernels/aarch64", "read_write")
    assert [("/opt/models", "read_only"), ("/srv/models", "read_only"), kernels] == asked


@pytest.mark.parametrize("text", ["{", "[]"])
def test_broken_settings(example, text):
    """A refusal that names the file."""
    example.SETTINGS.write_text(text)
    with pytest.raises(Refusal, match=r"model-cache\.json"):
        list(example.contribute(request()))
