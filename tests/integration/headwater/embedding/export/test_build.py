"""The builder of the model's folder: complete, reproducible, and only from the expected weights."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.embedding.export import minilm
from headwater.embedding.export.build import RECIPES, build
from headwater.errors import ConfigError

NAME = "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    assert build(folder, NAME)
    return folder


def test_build_writes_exactly_the_files_of_the_model(built: Path) -> None:
    assert [path.name for path in built.iterdir()] == [NAME]
    names = sorted(path.name for path in (built / NAME).iterdir())
    assert names == ["manifest.json", "model.onnx", "tokenizer.json", "weights.bin"]


def test_built_files_follow_the_umask(built: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    folder = built / NAME
    assert folder.stat().st_mode & 0o777 == 0o777 & ~umask
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666 & ~umask}


def test_current_folder_is_not_rebuilt(built: Path) -> None:
    before = (built / NAME).stat()
    assert not build(built, NAME)
    assert (built / NAME).stat().st_ino == before.st_ino


def test_build_is_reproducible_and_replaces_a_stale_folder(built: Path, tmp_path: Path) -> None:
    stale = tmp_path / NAME
    stale.mkdir()
    (stale / "manifest.json").write_text(json.dumps(RECIPES[NAME].manifest | {"build": 0}))
    (stale / "old.onnx").write_bytes(b"")
    assert build(tmp_path, NAME)
    fresh = {path.name: path.read_bytes() for path in stale.iterdir()}
    assert fresh == {path.name: path.read_bytes() for path in (built / NAME).iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_tokenizer_neither_truncates_nor_pads(built: Path) -> None:
    tokenizer = json.loads((built / NAME / "tokenizer.json").read_text("utf-8"))
    assert tokenizer["truncation"] is None
    assert tokenizer["padding"] is None


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_modified_checkpoint_is_rejected(name: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for file in ("model.safetensors", "tokenizer.json"):
        shutil.copy(minilm.find_weights() / file, checkpoint)
    with (checkpoint / name).open("ab") as altered:
        altered.write(b" ")
    with pytest.raises(ConfigError, match=f"{name} has an unexpected SHA-256"):
        build(tmp_path / "models", NAME, checkpoint)
    assert not (tmp_path / "models" / NAME).exists()


def test_command_prints_the_result(built: Path) -> None:
    command = [sys.executable, "-m", "headwater.embedding.export", str(built), NAME]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"{built / NAME}: already there, 91 MB\n"
