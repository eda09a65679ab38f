"""Lock files: pinned and hashed requirements, one file per extra of pyproject.toml.

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
_UV = "pip compile pyproject.toml --quiet --universal --python-version=3.11 --generate-hashes --no-header --no-annotate"
_OMIT_LOCATIONS = ["--no-emit-index-url", "--no-emit-find-links"]


def fingerprint(pyproject: str) -> str:
    """Hash the parts of pyproject.toml that determine the lock files."""
    tables = tomllib.loads(pyproject)
    project = tables["project"]
    names = ("requires-python", "dependencies", "optional-dependencies")
    inputs = [project.get(name) for name in names] + [tables.get("tool", {}).get("uv")]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def header(extra: str, pyproject: str) -> str:
    """Return the first two lines of an extra's lock file."""
    return f"# Written by scripts/lock: the extra `{extra}` of pyproject.toml.\n# Inputs: {fingerprint(pyproject)}\n"


def outdated(root: Path = ROOT) -> list[Path]:
    """List the lock files that don't match pyproject.toml. Needs no network."""
    pyproject = (root / "pyproject.toml").read_text()
    return [
        path
        for extra, path in FILES.items()
        if not (root / path).exists() or not (root / path).read_text().startswith(header(extra, pyproject))
    ]


def lock(extra: str, *, upgrade: bool) -> None:
    """Write one lock file. Versions in an existing file are kept unless `upgrade`."""
    path = FILES[extra]
    command: list[str | Path] = [
        Path(sys.executable).with_name("uv"),
        *_UV.split(),
        *_OMIT_LOCATIONS,
        f"--extra={extra}",
        "-o",
        path,
    ]
    command += ["--upgrade"] if upgrade else []
    command += ["--constraint", DEV] if path != DEV else []
    # With the system's certificates, uv works behind a company's proxy.
    subprocess.run(command, cwd=ROOT, env=os.environ | {"UV_SYSTEM_CERTS": "1"}, check=True, stdout=subprocess.DEVNULL)
    locked = (ROOT / path).read_text()
    (ROOT / path).write_text(header(extra, (ROOT / "pyproject.toml").read_text()) + locked)


def main() -> None:
    """Lock every extra."""
    parser = argparse.ArgumentParser(prog="scripts/lock", add_help=False)
    parser.add_argument("--upgrade", action="store_true")
    upgrade = parser.parse_args().upgrade
    for extra, path in FILES.items():
        lock(extra, upgrade=upgrade)
        packages = sum(line[0].isalnum() for line in (ROOT / path).read_text().splitlines())
        print(f"{path}: {packages} packages")


if __name__ == "__main__":
    main()
