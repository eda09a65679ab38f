"""Lock files: current, pinned, hashed, and without locations of the machine that wrote them."""

import re
from pathlib import Path

import pytest

from scripts.checks.locks import FILES, GROUPS, ROOT, fingerprint, group_header, header, outdated

PYPROJECT = '[project]\nname = "x"\nversion = "{version}"\ndependencies = ["flask>={flask}"]\n'


def checkout(folder: Path, pyproject: str) -> Path:
    (folder / "pyproject.toml").write_text(pyproject)
    for extra, path in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(header(extra, pyproject))
    for group, path in GROUPS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(group_header(group, pyproject))
    return folder


def test_committed_lock_files_are_current() -> None:
    assert outdated() == []


def test_changed_dependency_makes_every_lock_file_outdated(tmp_path: Path) -> None:
    root = checkout(tmp_path, PYPROJECT.format(version=1, flask=3))
    assert outdated(root) == []
    (root / "pyproject.toml").write_text(PYPROJECT.format(version=1, flask=4))
    assert outdated(root) == list(FILES.values())


def test_changed_group_makes_its_lock_file_outdated(tmp_path: Path) -> None:
    root = checkout(tmp_path, PYPROJECT.format(version=1, flask=3))
    with (root / "pyproject.toml").open("a") as file:
        file.write('[dependency-groups]\nsandbox = ["numpy>=2"]\n')
    assert outdated(root) == [GROUPS["sandbox"]]


def test_missing_lock_file_is_outdated(tmp_path: Path) -> None:
    root = checkout(tmp_path, PYPROJECT.format(version=1, flask=3))
    (root / FILES["job"]).unlink()
    assert outdated(root) == [FILES["job"]]


def test_fingerprint_ignores_the_version_of_the_project() -> None:
    assert fingerprint(PYPROJECT.format(version=1, flask=3)) == fingerprint(PYPROJECT.format(version=2, flask=3))


@pytest.mark.parametrize("path", [*FILES.values(), *GROUPS.values()], ids=str)
def test_every_package_is_pinned_and_hashed_and_torch_is_not_locked(path: Path) -> None:
    text = (ROOT / path).read_text()
    packages = re.findall(r"^(\S+)==\S+[^\n]*\\\n    --hash=sha256:", text, flags=re.MULTILINE)
    assert len(packages) == sum(line[0].isalnum() for line in text.splitlines())
    assert not {"torch", "transformers", "headwater"} & set(packages)


@pytest.mark.parametrize("path", [*FILES.values(), *GROUPS.values()], ids=str)
def test_lock_files_name_no_host_or_folder(path: Path) -> None:
    assert not re.search(r"://|--find-links|--index-url|/opt/|/root/", (ROOT / path).read_text())


@pytest.mark.parametrize("extra", ["chat", "collection", "embedding", "job"])
def test_deployed_versions_are_the_tested_versions(extra: str) -> None:
    def pins(path: Path) -> set[str]:
        return {line.rstrip("\\ ") for line in (ROOT / path).read_text().splitlines() if line[0].isalnum()}

    versions = {re.split("[; ]", pin)[0] for pin in pins(FILES["dev"])}
    assert {re.split("[; ]", pin)[0] for pin in pins(FILES[extra])} <= versions
