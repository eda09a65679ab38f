"""What is loaded when a function starts: no model, no client of a provider, nothing else that takes long to import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.paths import ROOT

LIGHT = (
    "auth.authorize",
    "config",
    "connectors",
    "database.transactions",
    "embedding.registry",
    "errors",
    "extensions",
    "logs",
    "parsers",
    "queue.ledger",
    "queue.retry_policy",
    "queue.tickets",
    "queue.worker",
    "tools",
    "web.app",
    "web.shutdown",
)
HEAVY = {"alembic", "cryptography", "dulwich", "jwt", "google.cloud.tasks_v2", "google.cloud.run_v2", "langchain"}
HEAVY |= {"langchain_core", "marisa_trie", "numpy", "obstore", "onnxruntime", "pyromark", "tokenizers", "requests"}
HEAVY |= {"tomllib", "urllib3"}
LATER = {
    "chat": "agents.custom.routes agents.step changes.routes doors extraction files mcp_servers other_routes prompts "
    "sandboxes sharing standing steps tools.routes usage.report",
    "collection": "pipeline.fetch pipeline.finish pipeline.index_words pipeline.steps",
    "embedding": "steps",
}
"""Modules that a function imports after its first answer, below its folder."""

PROVIDERS = ("langchain", "openai", "anthropic", "google.genai", "groq", "mistralai", "cohere", "httpx")


def loaded_by(program: str, **environment: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after a program."""
    command = [sys.executable, "-c", program + "\nimport sys; print('loaded', *sys.modules)"]
    completed = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, **environment}
    )
    return set(completed.stdout.rpartition("loaded ")[2].split())


def test_importing_the_library_loads_nothing_heavy() -> None:
    assert loaded_by(f"import {', '.join(f'headwater.{name}' for name in LIGHT)}") & HEAVY == set()


@pytest.mark.parametrize("path", sorted((ROOT / "functions").glob("*/main.py")), ids=lambda path: path.parent.name)
def test_function_loads_no_model_or_client_at_start(path: Path) -> None:
    loaded = loaded_by(f"import runpy; runpy.run_path({str(path)!r}, run_name='main')")
    later = {"alembic", "google.cloud.tasks_v2", "google.cloud.run_v2", "grpc", "numpy", "onnxruntime", "pydantic"}
    later |= {"cryptography", "requests", "urllib3"}
    assert loaded & later == set()
    assert [name for name in loaded if name.startswith(PROVIDERS)] == []


@pytest.mark.parametrize(("function", "rooms"), LATER.items(), ids=list(LATER))
def test_function_starts_without_handlers_of_steps_and_rarer_routes(function: str, rooms: str) -> None:
    program = f"""
from functions_framework import create_app
client = create_app("{function}", "functions/{function}/main.py").test_client()
assert client.get("/heartbeat").status_code == 200"""
    environment = {"DATABASE_URL": "postgresql://app@127.0.0.1:1/none", "LOCAL_TOKEN": "t" * 32, "CHAT_URL": "http://x"}
    loaded = loaded_by(program, EMBEDDING_MODEL="constant", **environment)
    later = tuple(f"functions.{function}.{room}" for room in rooms.split())
    assert [name for name in loaded if name.startswith(later)] == []
