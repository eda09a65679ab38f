"""Run all static checks: the command behind `scripts/check`. Changes no file and needs no network."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.checks.locks import outdated
from scripts.setup import ROOT, npm_command


def main() -> None:
    """Run every check, even after a failure. Exits with 1 if any failed. The checks of `edge/` run in parallel."""
    tool = Path(sys.executable).parent
    npm, environment = npm_command("run", "check")
    with ThreadPoolExecutor() as pool:
        edge = pool.submit(_run, "edge", *npm, folder=ROOT / "edge", environment=environment)
        passed = [
            _run("ruff", tool / "ruff", "check"),
            _run("ruff format", tool / "ruff", "format", "--check"),
            *(_run(f"sh -n {script.relative_to(ROOT)}", "/bin/sh", "-n", script) for script in _shell_scripts()),
            _locks_are_current(),
            _run("mypy", tool / "mypy"),
            edge.result(),
        ]
    sys.exit(not all(passed))


def _shell_scripts() -> list[Path]:
    files = [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]
    return sorted(path for path in files if path.is_file() and path.suffix in {"", ".sh"})


def _run(name: str, *command: str | Path, folder: Path = ROOT, environment: dict[str, str] | None = None) -> bool:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    failed = done.returncode != 0
    output = done.stdout.decode(errors="replace") if failed else ""
    print(f"check: {name}: {'failed' if failed else 'ok'}\n{output}", end="", flush=True)
    return not failed


def _locks_are_current() -> bool:
    outdated_files = outdated()
    print(f"check: locks: {'failed' if outdated_files else 'ok'}")
    for path in outdated_files:
        print(f"{path} doesn't match pyproject.toml. Run scripts/lock.")
    return not outdated_files


if __name__ == "__main__":
    main()
