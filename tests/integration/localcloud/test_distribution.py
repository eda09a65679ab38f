"""The distribution `headwater-localcloud`: its wheel runs in an environment that has only its declared dependencies."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterator
from importlib.metadata import distribution
from pathlib import Path

import grpc
import pytest
import urllib3
from packaging.requirements import Requirement

from tests.harness.localcloud import PATIENCE_S
from tests.harness.paths import ROOT

DISTRIBUTION = "headwater-localcloud"
JOB = {"schedule": "0 3 * * *", "timeZone": "Europe/Berlin", "httpTarget": {"uri": "http://127.0.0.1:9/"}}


def pip(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], check=True)


def dependencies(name: str, extras: Collection[str] = ()) -> set[str]:
    """Return the distributions that one needs on this machine, directly or not."""
    needed: set[str] = set()
    for requirement in map(Requirement, distribution(name).requires or []):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            needed |= {requirement.name} | dependencies(requirement.name, requirement.extras)
    return needed


def copy_distribution(name: str, site_packages: Path) -> None:
    """Copy an installed distribution into another environment; needs no index."""
    for file in distribution(name).files or []:
        if ".." not in file.parts:
            (site_packages / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), site_packages / file)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel offline."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, ROOT / "localcloud")
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the wheel and its dependencies into a fresh environment; returns its `bin` folder."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    [site_packages] = folder.glob("lib/python*/site-packages")
    for name in dependencies(DISTRIBUTION):
        copy_distribution(name, site_packages)
    pip("--python", python, "install", "--no-deps", "--no-index", wheel)
    pip("--python", python, "check")
    yield folder / "bin"
    shutil.rmtree(folder)


def test_wheel_contains_only_the_package(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"localcloud", "headwater_localcloud-0.1.0.dist-info"}


def test_command_prints_help(binaries: Path, tmp_path: Path) -> None:
    shown = subprocess.run(
        [binaries / "localcloud", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("usage: localcloud ")
    assert "--image NAME=COMMAND" in shown.stdout


def test_installed_module_serves_the_apis(binaries: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [binaries / "python", "-m", "localcloud", "--port", "0", "--data", tmp_path / "data"]
    with (
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process,
        urllib3.PoolManager() as http,
    ):
        assert process.stdout is not None
        url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        try:
            headers = {"Authorization": f"Bearer {(tmp_path / 'data' / 'token').read_text()}"}
            created = http.request("POST", f"{url}/v1/projects/p/locations/l/jobs", json=JOB, headers=headers)
            assert (created.status, created.json()["state"]) == (200, "ENABLED")
            with grpc.insecure_channel(url.removeprefix("http://")) as channel:
                call = channel.unary_unary("/google.cloud.tasks.v2.CloudTasks/GetQueue")
                with pytest.raises(grpc.RpcError) as raised:
                    call(b"", metadata=[("authorization", headers["Authorization"])], timeout=PATIENCE_S)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT, "the name is missing"
        finally:
            process.terminate()
        assert process.wait(PATIENCE_S) == 0
