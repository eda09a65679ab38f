"""Find agents without importing them: entry points of the group `headwater.agents`, and files of a folder."""

import re
from functools import cache
from pathlib import Path

import msgspec

from headwater.errors import PermanentError, SystemicError
from headwater.extensions.discovery import Extension, find_extension, names

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
MAX_DESCRIPTION_CHARS = 300
MAX_SOURCE_BYTES = 1_000_000


class AgentInfo(msgspec.Struct, frozen=True):
    """An agent. `problem`: why it can't be used, empty if it can, as far as is known before it is imported."""

    name: str
    description: str
    package: str
    problem: str = ""


def list_agents(folder: str) -> list[AgentInfo]:
    """List the agents of installed packages and of a folder, by name."""
    return [_describe(name, folder) for name in sorted({*names("headwater.agents"), *_files(folder)})]


def find_agent(name: str, folder: str) -> Extension:
    """Return an agent. Raises PermanentError if it is not installed, or can't be used."""
    path = _files(folder).get(name)
    installed = find_extension("headwater.agents", name)
    if path and installed:
        raise SystemicError(f"{installed.package} and {path.name} both add the agent {name!r}, so neither is used.")
    if not (path or installed):
        raise PermanentError(f"The agent {name!r} isn't installed any more. Choose another one.")
    if not NAME.fullmatch(name):
        raise PermanentError(f"The agent's name {name!r} may have lower-case letters, digits, - and _ only.")
    if installed:
        return installed
    assert path
    return Extension("headwater.agents", name, str(path), f"agents/{path.name}", "0")


def _describe(name: str, folder: str) -> AgentInfo:
    try:
        found = find_agent(name, folder)
    except PermanentError as error:
        return AgentInfo(name, "", "", error.message)
    if found.target.endswith(".py"):
        return AgentInfo(name, _first_line(Path(found.target)), found.package)
    return AgentInfo(name, _summary(found.package)[:MAX_DESCRIPTION_CHARS], found.package)


@cache
def _files(folder: str) -> dict[str, Path]:
    """Return the files of a folder by the names of their agents. They are listed once, as entry points are."""
    found = sorted(Path(folder).glob("*.py")) if folder else []
    return {path.stem: path.resolve() for path in found if not path.name.startswith("_")}


def _first_line(path: Path) -> str:
    """Return the first line of a file's docstring, without running it."""
    import ast  # here: not needed until agents are listed

    try:
        text = path.read_bytes()[:MAX_SOURCE_BYTES]
        lines = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ""
    return lines[0][:MAX_DESCRIPTION_CHARS] if lines else ""


@cache
def _summary(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        return str(metadata(package).json.get("summary", ""))
    except PackageNotFoundError:
        return ""
