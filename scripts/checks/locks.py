"""Lock files: the dependencies in pyproject.toml flow in, pinned and hashed requirements flow out, one file an extra.

`scripts/lock` writes them, `scripts/check` asks whether they are up to date; Dockerfile and `setup.py` install them.
What is developed with is locked first and binds the others, so that what is deployed is what was tested.
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
    "graph": Path("scripts/graph-requirements.txt"),
    "bench": Path("bench/requirements.txt"),
}
_UV = "pip compile pyproject.toml --quiet --universal --python-version=3.11 --generate-hashes --no-header --no-annotate"
_NO_TRACES = ["--no-emit-index-url", "--no-emit-find-links"]


def fingerprint(pyproject: str) -> str:
    """Hash everything in pyproject.toml that decides what gets locked."""
    tables = tomllib.loads(pyproject)
    project = tables["project"]
    names = ("requires-python", "dependencies", "optional-dependencies")
    decisive = [project.get(name) for name in names] + [tables.get("tool", {}).get("uv")]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def header(extra: str, pyproject: str) -> str:
    """Give the first two lines of an extra's lock file."""
    return f"# Written by scripts/lock: the extra `{extra}` of pyproject.toml.\n# Inputs: {fingerprint(pyproject)}\n"


def outdated(root: Path = ROOT) -> list[Path]:
    """List the lock files that pyproject.toml has moved away from; needs no network."""
    pyproject = (root / "pyproject.toml").read_text()
    return [
        path
        for extra, path in FILES.items()
        if not (root / path).exists() or not (root / path).read_text().startswith(header(extra, pyproject))
    ]


def lock(extra: str, *, upgrade: bool) -> None:
    """Write one lock file; versions that are locked already stay unless `upgrade`."""
    path = FILES[extra]
    command: list[str | Path] = [
        Path(sys.executable).with_name("uv"),
        *_UV.split(),
        *_NO_TRACES,
        f"--extra={extra}",
        "-o",
        path,
    ]
    command += ["--upgrade"] if upgrade else []
    command += ["--constraint", DEV] if path != DEV else []
    # uv trusts only certificates of its own unless it is told to use the system's, as a company's proxy needs.
    subprocess.run(command, cwd=ROOT, env=os.environ | {"UV_SYSTEM_CERTS": "1"}, check=True, stdout=subprocess.DEVNULL)
    locked = (ROOT / path).read_text()
    (ROOT / path).write_text(header(extra, (ROOT / "pyproject.toml").read_text()) + locked)


def main() -> None:
    """Lock every extra."""
    parser = argparse.ArgumentParser(prog="scripts/lock", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of those locked")
    upgrade = parser.parse_args().upgrade
    for extra, path in FILES.items():
        lock(extra, upgrade=upgrade)
        packages = sum(line[0].isalnum() for line in (ROOT / path).read_text().splitlines())
        print(f"{path}: {packages} packages")


if __name__ == "__main__":
    main()
