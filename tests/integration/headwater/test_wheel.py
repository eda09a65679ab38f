"""The distribution `headwater`: its wheel contains the library and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.harness.paths import ROOT


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> set[PurePosixPath]:
    """Build the wheel offline; returns the paths in it."""
    folder = tmp_path_factory.mktemp("wheel")
    options: list[str | Path] = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, ROOT], check=True)
    [wheel] = folder.iterdir()
    return {PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()}


def test_wheel_contains_the_library_alone(files: set[PurePosixPath]) -> None:
    assert {file.parts[0] for file in files} == {"headwater", "headwater-0.1.0.dist-info"}


def test_wheel_contains_every_file_of_the_library(files: set[PurePosixPath]) -> None:
    shared = ROOT / "shared"
    source = {
        PurePosixPath(path.relative_to(shared).as_posix())
        for path in (shared / "headwater").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {file for file in files if file.parts[0] == "headwater"} == source


def test_wheel_contains_the_license(files: set[PurePosixPath]) -> None:
    assert PurePosixPath("headwater-0.1.0.dist-info/licenses/LICENSE") in files


def test_functions_are_imported_from_the_checkout() -> None:
    program = "import functions.job, headwater, scripts; print(functions.__path__[0], headwater.__path__[0])"
    done = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True, check=True)
    assert [Path(folder) for folder in done.stdout.split()] == [ROOT / "functions", ROOT / "shared" / "headwater"]
