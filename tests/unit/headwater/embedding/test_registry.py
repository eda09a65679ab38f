"""The models of a process: each is loaded once, however many ask."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.config import Settings
from headwater.embedding.base import Embedder
from headwater.embedding.registry import Embedders, load_embedder
from headwater.errors import ConfigError

SETTINGS = Settings(database_url="unused")


def test_concurrent_requests_load_a_model_once() -> None:
    load = Embedders(SETTINGS)
    together = threading.Barrier(8)

    def ask(_: int) -> int:
        together.wait(30)
        return id(load("constant"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_missing_model_is_an_error_on_each_request(tmp_path: Path) -> None:
    load = Embedders(replace(SETTINGS, model_dir=tmp_path))
    load.warm("all-MiniLM-L6-v2")  # says so in the log, and leaves the error to whoever needs it
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"python -m headwater\.embedding\.export_minilm"):
            load("all-MiniLM-L6-v2")


def test_process_exit_waits_for_a_loading_model() -> None:
    over = threading.Event()

    class Slow(Embedders):
        def __call__(self, name: str) -> Embedder:
            over.wait(30)
            return load_embedder(name, Path("unused"))

    Slow(SETTINGS).warm("constant")
    warming = next(thread for thread in threading.enumerate() if thread.name == "warm")
    over.set()
    warming.join()
    assert not warming.daemon
