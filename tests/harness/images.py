"""Lay out and run images without Docker: parse the Dockerfile, copy an image's files, run its command.

Packages are those of the checkout's virtual environment, and the model is the checkout's own build.
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

from tests.harness.paths import ROOT

TARGETS = ("chat", "collection", "embedding", "job")
MODELS = ROOT / ".headwater" / "models"
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
    folders = [ROOT / name for name in ("shared", "functions", "scripts", "tests", "localcloud", "docs")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    paths += [path for path in ROOT.iterdir() if path.is_file()]
    names = (path.relative_to(ROOT).as_posix() for path in paths)
    return sorted(name for name in names if is_in_context(name, patterns))


class Image:
    """A folder with the files of an image's /app."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.app = folder / "app"
        self.temporary = folder / "tmp"
        self.app.mkdir()
        self.temporary.mkdir()
        files = context()
        for source, what, where in stage.copies:
            for name in what:
                self._copy(source, name, where, files)
        for run in stage.runs:
            assert run.startswith("python -m compileall "), run
            subprocess.run([sys.executable, *shlex.split(run)[1:]], cwd=self.app, check=True)
        self._before = self._listing()

    def _copy(self, source: str, name: str, where: str, context_files: Sequence[str]) -> None:
        """Copy one source of a COPY instruction: a folder's contents, or a file."""
        if source.endswith("-packages"):
            return
        if source == "model":
            target = self.app / where / (Path(name).name if where.endswith("/") else "")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(MODELS / Path(name).relative_to("/app/models"))
            return
        files = [path for path in context_files if path == name or path.startswith(f"{name}/")]
        assert files, f"{name} is not part of the build context"
        for path in files:
            target = self.app / where / (Path(name).name if path == name else Path(path).relative_to(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, target)

    def files(self) -> set[str]:
        """Return the image's files without bytecode."""
        return {path for path, _ in self._before if not path.endswith(".pyc")}

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return a container's environment: the image's and `variables`. HOME is not set."""
        own = self.stage.environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"}
        image_variables = {name: value.replace("/app", str(self.app)) for name, value in own.items()}
        return {"TMPDIR": str(self.temporary)} | image_variables | dict(variables)

    @contextmanager
    def started(
        self, variables: Mapping[str, str], *arguments: str
    ) -> "Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]":
        """Run a container until the block ends; yields its process and output. Asserts that it writes only to /tmp."""
        command = [*self.stage.command, *arguments]
        program = shutil.which(command[0], path=str(Path(sys.executable).parent))
        assert program, command
        with TemporaryFile() as output:
            process = subprocess.Popen(
                [program, *command[1:]],
                cwd=self.app,
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

    def accept_changes(self) -> None:
        """Accept the folder's current content as the image's."""
        self._before = self._listing()

    def _listing(self) -> set[tuple[str, int]]:
        paths = (path for path in self.app.rglob("*") if path.is_file())
        return {(path.relative_to(self.app).as_posix(), path.stat().st_mtime_ns) for path in paths}


@contextmanager
def image(target: str) -> Iterator[Image]:
    """Lay out a target's image until the block ends."""
    with TemporaryDirectory() as folder:
        yield Image(stages()[target], Path(folder))


def read_output(output: IO[bytes]) -> str:
    """Return a container's output so far."""
    output.seek(0)
    return output.read().decode(errors="replace")
