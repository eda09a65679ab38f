"""Lock files: pinned and hashed requirements, one file per extra or group of pyproject.toml.

`scripts/lock` writes them, `scripts/check` finds outdated ones, `setup.py` and the Dockerfile install them. The extra
`dev` is locked first and constrains the others, so the deployed versions are the tested ones.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEV = Path("scripts/requirements.txt")
FILES = {"dev": DEV} | {
    "chat": Path("functions/chat/requirements.txt"),
    "collection": Path("functions/collection/requirements.txt"),
    "embedding": Path("functions/embedding/requirements.txt"),
    "job": Path("functions/job/requirements.txt"),
    "all": Path("scripts/container/requirements.txt"),
    "graph": Path("scripts/graph-requirements.txt"),
    "bench": Path("bench/requirements.txt"),
}
GROUPS = {"sandbox": Path("functions/sandbox/requirements.txt")}
"""Packages of images that don't contain all dependencies of the functions."""

_UV = "pip compile --quiet --universal --python-version=3.11 --generate-hashes --no-header --no-annotate"
_OMIT_LOCATIONS = ["--no-emit-index-url", "--no-emit-find-links"]


def fingerprint(pyproject: str, group: str = "") -> str:
    """Hash the parts of pyproject.toml that determine the lock files of extras, or of a group."""
    tables = tomllib.loads(pyproject)
    if group:
        own = [tables["project"].get("requires-python"), tables.get("dependency-groups", {}).get(group)]
        return hashlib.sha256(json.dumps(own).encode()).hexdigest()
    project = tables["project"]
    names = ("requires-python", "dependencies", "optional-dependencies")
    inputs = [project.get(name) for name in names] + [tables.get("tool", {}).get("uv")]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def header(extra: str, pyproject: str) -> str:
    """Return the first two lines of an extra's lock file."""
    return f"# Written by scripts/lock: the extra `{extra}` of pyproject.toml.\n# Inputs: {fingerprint(pyproject)}\n"


def group_header(group: str, pyproject: str) -> str:
    """Return the first two lines of a group's lock file."""
    inputs = fingerprint(pyproject, group)
    return f"# Written by scripts/lock: the group `{group}` of pyproject.toml.\n# Inputs: {inputs}\n"


def outdated(root: Path = ROOT) -> list[Path]:
    """List the lock files that don't match pyproject.toml. Needs no network."""
    pyproject = (root / "pyproject.toml").read_text()
    headers = {path: header(extra, pyproject) for extra, path in FILES.items()}
    headers |= {path: group_header(group, pyproject) for group, path in GROUPS.items()}
    return [
        path
        for path, first in headers.items()
        if not (root / path).exists() or not (root / path).read_text().startswith(first)
    ]


def lock(name: str, *, upgrade: bool) -> None:
    """Write the lock file of an extra or a group. Versions in an existing file are kept unless `upgrade`."""
    path, is_group = (FILES | GROUPS)[name], name in GROUPS
    command: list[str | Path] = [
        Path(sys.executable).with_name("uv"),
        *_UV.split(),
        *_OMIT_LOCATIONS,
        *([f"--group={name}"] if is_group else ["pyproject.toml", f"--extra={name}"]),
        "-o",
        path,
    ]
    command += ["--upgrade"] if upgrade else []
    command += ["--constraint", DEV] if path != DEV else []
    # With the system's certificates, uv works behind a company's proxy.
    subprocess.run(command, cwd=ROOT, env=os.environ | {"UV_SYSTEM_CERTS": "1"}, check=True, stdout=subprocess.DEVNULL)
    locked = (ROOT / path).read_text()
    pyproject = (ROOT / "pyproject.toml").read_text()
    (ROOT / path).write_text((group_header if is_group else header)(name, pyproject) + locked)


def main() -> None:
    """Lock every extra and group."""
    parser = argparse.ArgumentParser(prog="scripts/lock", add_help=False)
    parser.add_argument("--upgrade", action="store_true")
    upgrade = parser.parse_args().upgrade
    for name, path in (FILES | GROUPS).items():
        lock(name, upgrade=upgrade)
        packages = sum(line[0].isalnum() for line in (ROOT / path).read_text().splitlines())
        print(f"{path}: {packages} packages")


if __name__ == "__main__":
    main()
