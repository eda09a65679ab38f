"""Layout of the tests: their folders mirror those of the code."""

from pathlib import Path

import pytest

from tests.harness.paths import ROOT

PACKAGES = {"headwater": "shared/headwater", "localcloud": "localcloud/localcloud", "scripts": "scripts"}


def mirrored_folder(folder: Path) -> Path:
    """Return the code's folder: `shared/headwater/auth` for `headwater/auth`, `functions/chat` for `chat`."""
    package, *rest = folder.parts
    return ROOT.joinpath(PACKAGES.get(package, f"functions/{package}"), *rest)


@pytest.mark.parametrize("suite", ["unit", "integration", "contract"])
def test_test_folders_mirror_the_code(suite: str) -> None:
    root = ROOT / "tests" / suite
    folders = {path.parent.relative_to(root) for path in root.glob("*/**/test_*.py")}
    assert len(folders) >= 2
    assert [folder.as_posix() for folder in sorted(folders) if not mirrored_folder(folder).is_dir()] == []
