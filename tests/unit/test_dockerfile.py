"""The contents of the images: Dockerfile, .dockerignore and lock files."""

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.harness.images import TARGETS, context, is_in_context, read_dockerfile, stages
from tests.harness.paths import ROOT

SERVICES = [target for target in TARGETS if target != "job"]
FUNCTIONS = {name: {name} for name in SERVICES} | {"job": {"collection", "embedding", "job"}}

# Imports in library modules that a target contains but never executes, so their packages are missing in its image.
_OF_AGENTS = {"langchain-core", "langgraph", "langgraph-checkpoint"}
NOT_CALLED = {
    "chat": {"alembic", "fasttext-predict", "onnx", "safetensors"},
    "collection": {"alembic", "numpy", "onnx", "onnxruntime", "safetensors", *_OF_AGENTS},
    "embedding": {
        *_OF_AGENTS,
        "alembic",
        "cronsim",
        "fasttext-predict",
        "lxml",
        "onnx",
        "protego",
        "safetensors",
        "snowballstemmer",
        "trafilatura",
    },
    "job": {"onnx", "safetensors", *_OF_AGENTS},
}


@pytest.mark.parametrize("target", TARGETS)
def test_image_contains_its_function_and_packages_and_runs_as_headwater(target: str) -> None:
    stage = stages()[target]
    assert stage.base == "base"
    assert stage.user == "headwater"
    assert "model" in {source for source, _, _ in stage.copies}
    packages = stages()[f"{target}-packages"]
    assert packages.copies == [("", [f"functions/{target}/requirements.txt"], "./")]
    assert "--no-deps" in packages.runs[0]
    assert "--require-hashes" in packages.runs[0]
    copied = {name for source, what, _ in stage.copies if not source for name in what}
    assert copied == {"shared", "functions/__init__.py", *(f"functions/{name}" for name in FUNCTIONS[target])}


def test_only_images_that_embed_contain_the_whole_model() -> None:
    from_model = {
        name: [what for source, what, _ in stage.copies if source == "model"] for name, stage in stages().items()
    }
    whole, tokenizers = [["/app/models"]], [["/app/tokenizers/models"]]
    assert {name: from_model[name] for name in TARGETS} == {
        "chat": whole,
        "collection": tokenizers,
        "embedding": whole,
        "job": whole,
    }


def test_images_contain_no_installers() -> None:
    assert "pip uninstall --quiet --yes setuptools wheel pip" in stages()["base"].runs[0]
    assert "ensurepip" in stages()["base"].runs[0]
    for target in TARGETS:
        assert [run for run in stages()[target].runs if "compileall" not in run] == []


def test_build_context_contains_only_copied_files() -> None:
    files = context()
    copied = {name for stage in stages().values() for source, names, _ in stage.copies if not source for name in names}
    assert [path for path in files if not any(path == name or path.startswith(f"{name}/") for name in copied)] == []
    assert not [path for path in files if re.search(r"\.pyc$|/node_modules/|/dist/|/built/", path)]


def test_one_container_contains_all_functions_their_packages_and_the_worker() -> None:
    stage = stages()["all"]
    assert (stage.base, stage.user, stage.command) == ("sandboxed", "headwater", ["headwater"])
    assert stages()["sandboxed"].base == "base"
    copied = {name for source, what, _ in stage.copies if not source for name in what}
    assert copied >= {"shared", "functions", "localcloud/localcloud", "scripts/local", "scripts/container"}
    built = [name for source, what, _ in stage.copies if source == "edge" for name in what]
    assert built == ["/app/edge/container", "/app/edge/web/dist"]
    targets = {"all": "scripts/container", **{target: f"functions/{target}" for target in ("chat", "job")}}
    texts = {name: (ROOT / path / "requirements.txt").read_text() for name, path in targets.items()}
    locked = {name: set(re.findall(r"^[a-z0-9-]+==[\w.]+", text, re.MULTILINE)) for name, text in texts.items()}
    assert locked["chat"] | locked["job"] <= locked["all"]


def test_one_container_has_the_miniflare_of_wrangler() -> None:
    """The Worker runs in the same runtime as in its tests."""
    locks = [
        json.loads((ROOT / "edge" / path).read_text()) for path in ("package-lock.json", "container/package-lock.json")
    ]
    ours, containers = (lock["packages"] for lock in locks)
    for name in ("miniflare", "workerd"):
        assert ours[f"node_modules/{name}"]["integrity"] == containers[f"node_modules/{name}"]["integrity"]


def test_last_matching_ignore_pattern_wins() -> None:
    patterns = ["*", "!shared/", "**/__pycache__/"]
    included = [path for path in ("a.py", "shared/b.py", "shared/x/__pycache__/b.pyc") if is_in_context(path, patterns)]
    assert included == ["shared/b.py"]


def test_read_dockerfile_inherits_from_base_stages() -> None:
    text = """
# A comment \\
FROM python AS base
ENV A=1 \\
    B=2
USER app
FROM base AS app
COPY --from=base /x y
COPY a b c/
CMD ["serve", "it"]
"""
    app = read_dockerfile(text.replace("\\\\", "\\"))["app"]
    assert (app.environment, app.user, app.command) == ({"A": "1", "B": "2"}, "app", ["serve", "it"])
    assert app.copies == [("base", ["/x"], "y"), ("", ["a", "b"], "c/")]


def modules_of(target: str) -> Iterator[Path]:
    yield from (ROOT / "shared" / "headwater").rglob("*.py")
    for name in FUNCTIONS[target]:
        yield from (ROOT / "functions" / name).rglob("*.py")


@cache
def imported(path: Path) -> set[str]:
    """Return the names that a module imports at any depth, as `module.name`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def distribution_of(name: str, owners: dict[str, str]) -> str | None:
    """Return the distribution that provides a module, by longest prefix; None for our own and the standard library."""
    top = name.split(".", maxsplit=1)[0]
    if top in sys.stdlib_module_names or top in {"headwater", "functions"}:
        return None
    parts = name.split(".")
    prefixes = ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((owners[prefix] for prefix in prefixes if prefix in owners), top)


def test_lock_files_contain_all_imported_packages() -> None:
    owners: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub("[-_.]+", "-", distribution.name).lower()
        for file in distribution.files or []:
            if file.suffix in {".py", ".so"}:
                module = file.parent if file.name == "__init__.py" else file.with_name(file.name.split(".")[0])
                owners.setdefault(module.as_posix(), name)
    for target in TARGETS:
        locked = re.findall(
            r"^([a-z0-9-]+)==", (ROOT / "functions" / target / "requirements.txt").read_text(), re.MULTILINE
        )
        required = {distribution_of(name, owners) for path in modules_of(target) for name in imported(path)} - {None}
        assert required - set(locked) == NOT_CALLED[target], target


def test_model_stage_contains_the_modules_of_the_exporter(tmp_path: Path) -> None:
    for _, names, where in stages()["model"].copies:
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, tmp_path / where)
            else:
                (tmp_path / where).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, tmp_path / where)
    command = [sys.executable, "-m", "headwater.embedding.export", "--help"]
    subprocess.run(command, env={"PYTHONPATH": str(tmp_path / "shared")}, check=True)
