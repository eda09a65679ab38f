"""Who may import what: the house rules of the design, read off the syntax tree of every module."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"headwater": "shared/headwater", "functions": "functions", "localcloud": "localcloud/localcloud"}
FUNCTIONS = ("chat", "collection", "embedding")
LIGHT = (
    "auth.authorize",
    "config",
    "database.transactions",
    "embedding.base",
    "embedding.registry",
    "errors",
    "logs",
    "queue.ledger",
    "queue.retry_policy",
    "queue.tickets",
    "queue.worker",
    "web.app",
    "web.shutdown",
)
HEAVY = {"alembic", "cryptography", "dulwich", "jwt", "google.cloud.tasks_v2", "google.cloud.run_v2", "langchain"}
HEAVY |= {"langchain_core", "markdown_it", "numpy", "obstore", "onnxruntime", "tokenizers", "requests", "urllib3"}


def modules(folder: str) -> Iterator[Path]:
    yield from sorted((ROOT / folder).rglob("*.py"))


def imports_in(source: str, package: str) -> set[str]:
    """Every module that a module of `package` imports, at any depth, under its absolute name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


def imported_by(path: Path) -> set[str]:
    return imports_in(path.read_text(), ".".join(path.relative_to(ROOT).parts[:-1]))


def offences(folder: str, *forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        for name in sorted(imported_by(path))
        if any(name == bad or name.startswith(f"{bad}.") for bad in forbidden)
    ]


def test_there_is_something_to_read() -> None:
    for folder in OURS.values():
        assert len(list(modules(folder))) > 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_imports_no_other_function(function: str) -> None:
    others = [f"functions.{name}" for name in (*FUNCTIONS, "job") if name != function]
    assert offences(f"functions/{function}", *others, "scripts", "tests", "bench") == []


def test_the_library_imports_no_function() -> None:
    assert offences("shared/headwater", "functions", "scripts", "tests", "bench") == []


@pytest.mark.parametrize("folder", ["shared", "functions", "scripts", "bench"])
def test_nothing_imports_the_local_cloud(folder: str) -> None:
    assert offences(folder, "localcloud") == []


def test_the_local_cloud_imports_nothing_of_ours() -> None:
    assert offences("localcloud", "headwater", "functions", "scripts", "tests", "bench") == []


def test_nobody_imports_a_main_module() -> None:
    for folder in (*OURS.values(), "scripts"):
        for path in modules(folder):
            mains = {name for name in imported_by(path) if name.startswith("functions.") and "main" in name.split(".")}
            assert mains == set(), path


def reads_environment(node: ast.AST) -> bool:
    """Tell `os.environ` and `os.getenv`, however imported, from Flask's `request.environ`."""
    names = {"environ", "environb", "getenv"}
    if isinstance(node, ast.Attribute):
        return node.attr in names and isinstance(node.value, ast.Name) and node.value.id == "os"
    return isinstance(node, ast.ImportFrom) and node.module == "os" and any(a.name in names for a in node.names)


def test_only_the_settings_read_the_environment() -> None:
    reading = {
        str(path.relative_to(ROOT))
        for folder in ("shared", "functions")
        for path in modules(folder)
        if any(map(reads_environment, ast.walk(ast.parse(path.read_text()))))
    }
    assert reading == {"shared/headwater/config.py"}


def loaded_by(program: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a program."""
    program += "\nimport sys; print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded ")[2].split())


def test_importing_the_library_loads_nothing_heavy() -> None:
    assert loaded_by(f"import {', '.join(f'headwater.{name}' for name in LIGHT)}") & HEAVY == set()


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/main.py")), ids=lambda path: path.parent.name)
def test_a_function_loads_no_model_and_no_client_before_it_is_asked(path: Path) -> None:
    loaded = loaded_by(f"import runpy; runpy.run_path({str(path)!r}, run_name='main')")
    later = {"alembic", "google.cloud.tasks_v2", "google.cloud.run_v2", "langchain", "langchain_core", "numpy"}
    assert loaded & (later | {"onnxruntime"}) == set()


def test_the_reader_of_imports_sees_every_form() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from . import e\n    from ..job import work\n"
    found = imports_in(source, "functions.chat")
    assert found >= {"a.b", "c", "c.d", "functions.chat.e", "functions.job", "functions.job.work"}
