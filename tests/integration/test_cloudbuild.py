"""cloudbuild.yaml, as Google's own parser sees it."""

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
