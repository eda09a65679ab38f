"""Import rules: what each folder may import, no circles, no crowded folders.

The rules are read from the syntax tree, so an import inside a function counts too. docs/architecture.md draws them.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.harness.paths import ROOT

PACKAGES = {"headwater": "shared/headwater", "functions": "functions", "localcloud": "localcloud/localcloud"}
FUNCTIONS = ("chat", "collection", "embedding")
MAX_MODULES = 14
OURS = ("headwater", "functions", "localcloud", "scripts", "tests", "bench")

FORBIDDEN: dict[str, tuple[str, ...]] = {
    # The library and localcloud stand alone.
    "headwater": ("functions", "localcloud", "scripts", "tests", "bench"),
    "localcloud": ("headwater", "functions", "scripts", "tests", "bench"),
    "functions": ("localcloud", "scripts", "tests", "bench"),
    # Functions never import each other; the job imports the steps of all.
    "functions.chat": ("functions.collection", "functions.embedding", "functions.job"),
    "functions.collection": ("functions.chat", "functions.embedding", "functions.job"),
    "functions.embedding": ("functions.chat", "functions.collection", "functions.job"),
    "functions.job": ("functions.chat", "functions.sandbox"),
    "functions.sandbox": ("functions.chat", "functions.collection", "functions.embedding", "functions.job"),
    # Rooms of collection: the pipeline is on top, connectors and parsers are leaves.
    "functions.collection.connectors": (
        "functions.collection.parsers",
        "functions.collection.pipeline",
        "functions.collection.runs",
        "functions.collection.sources",
        "functions.collection.documents",
        "functions.collection.accounts",
    ),
    "functions.collection.parsers": (
        "functions.collection.connectors",
        "functions.collection.pipeline",
        "functions.collection.runs",
        "functions.collection.sources",
        "functions.collection.documents",
        "functions.collection.accounts",
    ),
    "functions.collection.chunking": (
        "functions.collection.connectors",
        "functions.collection.pipeline",
        "functions.collection.runs",
        "functions.collection.sources",
        "functions.collection.documents",
        "functions.collection.accounts",
    ),
    "functions.collection.runs": ("functions.collection.pipeline",),
    "functions.collection.sources": ("functions.collection.pipeline",),
    "functions.collection.documents": ("functions.collection.pipeline",),
    "functions.collection.accounts": ("functions.collection.pipeline",),
    # Rooms of chat: retrieval and streams know no other room.
    "functions.chat.retrieval": (
        "functions.chat.answers",
        "functions.chat.conversations",
        "functions.chat.models",
        "functions.chat.streams",
    ),
    "functions.chat.streams": (
        "functions.chat.answers",
        "functions.chat.conversations",
        "functions.chat.models",
        "functions.chat.retrieval",
    ),
}

Imports = dict[str, set[str]]
"""For each of our modules, the names it imports: modules, or names inside modules."""


@cache
def imported_names(source: str, package: str) -> frozenset[str]:
    """Absolute names of all that a module of `package` imports, at any depth of its code."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            parents = parts[: len(parts) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def read_imports(root: Path) -> Imports:
    """Read the imports of every module of the packages below `root`, except migrations."""
    imports: Imports = {}
    for package, folder in PACKAGES.items():
        for path in sorted((root / folder).rglob("*.py")):
            if "versions" in path.parts:
                continue
            parts = [package, *path.relative_to(root / folder).with_suffix("").parts]
            name = ".".join(parts).removesuffix(".__init__")
            parent = name if path.name == "__init__.py" else name.rpartition(".")[0]
            imports[name] = set(imported_names(path.read_text(), parent))
    return imports


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def violations(imports: Imports) -> list[str]:
    """Imports that FORBIDDEN names, or of a function's `main` module."""
    return [
        f"{module} imports {name}"
        for module, names in imports.items()
        for name in sorted(names)
        if any(is_within(module, room) and is_within(name, bad) for room, bads in FORBIDDEN.items() for bad in bads)
        or (name.startswith("functions.") and "main" in name.split(".")[2:3])
    ]


def module_graph(imports: Imports) -> Imports:
    """For each module, the modules of ours that it imports: `from a import b` is a.b where that is a module."""
    graph: Imports = {}
    for module, names in imports.items():
        targets = {name if name in imports else name.rpartition(".")[0] for name in names}
        submodules = {name for name in targets if any(is_within(other, name) and other != name for other in targets)}
        graph[module] = {name for name in targets - submodules if name in imports and name != module}
    return graph


def room(module: str) -> str:
    """The folder that a module counts to: a function's room, or a folder of the library."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[0] == "functions" else 2])


def room_graph(graph: Imports) -> Imports:
    rooms: Imports = {}
    for module, names in graph.items():
        rooms.setdefault(room(module), set()).update(room(name) for name in names if room(name) != room(module))
    return rooms


def find_circles(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of imports through each node that is in one, shortest first: `a → b → a`."""
    circles = []
    for start in sorted(graph):
        paths, visited = [[start]], {start}
        while paths:
            path = paths.pop(0)
            if start in graph.get(path[-1], ()):
                circles.append(" → ".join([*path, start]))
                break
            for name in sorted(graph.get(path[-1], set()) - visited):
                visited.add(name)
                paths.append([*path, name])
    return sorted(circles, key=len)


def crowded_folders(root: Path) -> dict[str, int]:
    """Folders with more than MAX_MODULES modules; docstrings of packages, tests and migrations are none."""
    counts: Counter[str] = Counter()
    for folder, pattern in [("shared", "*.py"), ("functions", "*.py"), ("edge/worker", "*.ts")]:
        for path in (root / folder).rglob(pattern):
            is_module = path.name not in ("__init__.py", "py.typed") and not path.name.endswith((".test.ts", ".d.ts"))
            if is_module and path.parent.name != "versions":
                counts[path.parent.relative_to(root).as_posix()] += 1
    return {folder: count for folder, count in counts.items() if count > MAX_MODULES}


def test_imports_follow_the_rules() -> None:
    imports = read_imports(ROOT)
    assert {name.partition(".")[0] for name in imports} == set(PACKAGES)
    assert violations(imports) == []


def test_no_module_is_in_an_import_circle() -> None:
    assert find_circles(module_graph(read_imports(ROOT))) == []


def test_no_room_is_in_an_import_circle() -> None:
    assert find_circles(room_graph(module_graph(read_imports(ROOT)))) == []


def test_no_folder_is_crowded() -> None:
    assert crowded_folders(ROOT) == {}


@pytest.mark.parametrize("folder", ["scripts", "bench"])
def test_only_tests_import_localcloud(folder: str) -> None:
    importing = [
        path.name
        for path in sorted((ROOT / folder).rglob("*.py"))
        if any(is_within(name, "localcloud") for name in imported_names(path.read_text(), folder))
    ]
    assert importing == []


def write_module(root: Path, module: str, source: str) -> None:
    package, _, rest = module.partition(".")
    path = root / PACKAGES[package] / f"{rest.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("headwater.blobs", "import functions.chat.routes"),
        ("headwater.queue.worker", "def f():\n    from functions.collection import tick"),
        ("localcloud.server", "from headwater import config"),
        ("functions.chat.routes", "from functions.collection.runs import runs"),
        ("functions.embedding.embed", "from ..job import work"),
        ("functions.job.work", "from functions.embedding.main import app"),
        ("functions.collection.parsers.pdf", "from functions.collection.connectors import registry"),
        ("functions.collection.connectors.feeds", "from functions.collection.pipeline import fetch"),
        ("functions.collection.sources.routes", "from functions.collection.pipeline.steps import handlers"),
        ("functions.chat.streams.writer", "from functions.chat.answers import compose"),
        ("functions.chat.retrieval.search", "import functions.chat.models"),
    ],
)
def test_broken_rule_is_reported(tmp_path: Path, module: str, source: str) -> None:
    write_module(tmp_path, module, source)
    assert [line.partition(" ")[0] for line in violations(read_imports(tmp_path))][:1] == [module]


def test_circles_are_reported(tmp_path: Path) -> None:
    write_module(tmp_path, "functions.chat.a.one", "from functions.chat.b import two")
    write_module(tmp_path, "functions.chat.b.two", "def f():\n    from functions.chat.c.three import x")
    write_module(tmp_path, "functions.chat.c.three", "import functions.chat.a.one")
    write_module(tmp_path, "functions.chat.c.four", "from functions.chat.a import one")
    graph = module_graph(read_imports(tmp_path))
    assert len(find_circles(graph)) == 3
    assert "functions.chat.a → functions.chat.b → functions.chat.c → functions.chat.a" in find_circles(
        room_graph(graph)
    )


def test_room_circle_without_module_circle_is_reported(tmp_path: Path) -> None:
    write_module(tmp_path, "functions.chat.a.one", "from functions.chat.b import two")
    write_module(tmp_path, "functions.chat.b.two", "")
    write_module(tmp_path, "functions.chat.b.other", "from functions.chat.a import one")
    graph = module_graph(read_imports(tmp_path))
    assert find_circles(graph) == []
    assert len(find_circles(room_graph(graph))) == 2


def test_crowded_folder_is_reported(tmp_path: Path) -> None:
    for n in range(MAX_MODULES + 1):
        write_module(tmp_path, f"headwater.queue.m{n}", "")
    assert crowded_folders(tmp_path) == {"shared/headwater/queue": MAX_MODULES + 1}


def uses(node: ast.AST, names: set[str], owner: str) -> bool:
    """Return whether a node is `owner.name`, or imports a name from `owner`."""
    if isinstance(node, ast.ImportFrom):
        return node.module == owner and any(alias.name in names for alias in node.names)
    if not (isinstance(node, ast.Attribute) and node.attr in names):
        return False
    return isinstance(node.value, ast.Name) and node.value.id == owner.rpartition(".")[2]


def modules_that_use(names: set[str], owner: str) -> Iterator[str]:
    for folder in ("shared", "functions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text()
            if any(name in text for name in names) and any(
                uses(node, names, owner) for node in ast.walk(ast.parse(text))
            ):
                yield path.relative_to(ROOT).as_posix()


def test_only_settings_read_the_environment() -> None:
    assert set(modules_that_use({"environ", "environb", "getenv"}, "os")) == {"shared/headwater/config/read.py"}


SOCKETS = {
    *("socket", "ssl", "asyncio", "http.client", "urllib.request", "imaplib", "ftplib"),
    *("httpx", "requests", "urllib3.PoolManager", "imapclient", "paramiko", "boto3"),
}
OPEN_SOCKETS = {
    "functions.collection.connectors.git.ssh",
    "functions.collection.connectors.mail.connection",
    "functions.collection.connectors.mail.errors",
}
"""They are given guarded sockets, which the matrix in tests/integration/collection/connectors/test_guard.py checks."""


def test_connectors_and_parsers_open_sockets_by_the_guarded_clients_only() -> None:
    rooms = ("functions.collection.connectors", "functions.collection.parsers", "headwater.html")
    found = {
        module
        for module, names in read_imports(ROOT).items()
        if any(is_within(module, room) for room in rooms)
        and any(is_within(name, each) for name in names for each in SOCKETS)
    }
    assert found == OPEN_SOCKETS


def test_only_extensions_resolve_entry_points() -> None:
    resolving = set(modules_that_use({"entry_points", "EntryPoint", "distributions"}, "importlib.metadata"))
    assert resolving
    assert {path.rpartition("/")[0] for path in resolving} == {"shared/headwater/extensions"}


def test_imported_names_sees_every_form() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from . import e\n    from ..job import work\n"
    names = imported_names(source, "functions.chat")
    assert names >= {"a.b", "c", "c.d", "functions.chat.e", "functions.job", "functions.job.work"}
