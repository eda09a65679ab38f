"""cloudbuild.yaml and the Dockerfile, as Google's own parser and the lock files see them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["chat", "collection", "embedding", "job"]

_PARSE = """
import sys
sdk, path = sys.argv[1:]
sys.path[:0] = [f"{sdk}/lib", f"{sdk}/lib/third_party"]
from googlecloudsdk.api_lib.cloudbuild import cloudbuild_util, config
build = config.LoadCloudbuildConfigFromPath(path, cloudbuild_util.GetMessagesModule())
print(*(step.id for step in build.steps))
"""


def parse(path: Path) -> "subprocess.CompletedProcess[str]":
    """Read a build configuration with gcloud's bundled libraries; they ask no network."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        pytest.skip("needs gcloud: it holds the parser of build configurations")
    sdk = Path(gcloud).resolve().parent.parent
    command = [sys.executable, "-W", "ignore", "-c", _PARSE, str(sdk), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_gcloud_reads_the_build_configuration() -> None:
    done = parse(ROOT / "cloudbuild.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == TARGETS


def test_gcloud_would_say_what_is_wrong_with_it(tmp_path: Path) -> None:
    broken = tmp_path / "cloudbuild.yaml"
    broken.write_text((ROOT / "cloudbuild.yaml").read_text().replace("steps:", "stepz:"))
    done = parse(broken)
    assert done.returncode != 0
    assert "stepz" in done.stderr


def test_every_image_that_is_built_is_pushed() -> None:
    build = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
    built = [
        argument.removeprefix("--tag=") for step in build["steps"] for argument in step["args"] if "--tag" in argument
    ]
    assert built == build["images"]


def test_every_target_installs_its_own_locked_packages_and_runs_without_root() -> None:
    stages = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    by_name = {stage.split("\n", 1)[0].rpartition(" AS ")[2]: stage for stage in stages}
    assert list(by_name) == ["base", "model", *TARGETS]
    for target in TARGETS:
        assert f"COPY functions/{target}/requirements.txt" in by_name[target]
        assert "pip install --no-deps --require-hashes" in by_name[target]
        assert "USER headwater" in by_name[target]
