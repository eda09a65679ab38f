"""The models of a process: each is loaded once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.config import Settings
from headwater.embedding.base import Embedder
from headwater.embedding.registry import Embedders, check_model, load_embedder
from headwater.errors import ConfigError

SETTINGS = Settings(database_url="unused")


def test_concurrent_requests_load_a_model_once() -> None:
    loads: list[str] = []

    class Slow(Embedders):
        def _load(self, name: str) -> Embedder:
            loads.append(name)
            time.sleep(0.05)  # long enough for the other threads to arrive
            return super()._load(name)

    load, barrier = Slow(SETTINGS), threading.Barrier(8)

    def request(_: int) -> int:
        barrier.wait(120)
        return id(load("constant"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(request, range(8)))) == 1
    assert loads == ["constant"]


def test_missing_model_is_an_error_on_each_request(tmp_path: Path) -> None:
    load = Embedders(replace(SETTINGS, model_dir=tmp_path))
    load.warm("all-MiniLM-L6-v2")  # only logs the error
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"python -m headwater\.embedding\.export "):
            load("all-MiniLM-L6-v2")


@pytest.mark.parametrize("name", ["openai:", "openai:text-embedding-3-small#-5", "cohere:embed-v4.0#99999"])
def test_wrong_length_of_a_hosted_model_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match="with a length of vectors from 1 to 16,000"):
        check_model(name, SETTINGS)


def test_process_exit_waits_for_a_loading_model() -> None:
    loaded = threading.Event()

    class Slow(Embedders):
        def __call__(self, name: str) -> Embedder:
            loaded.wait(120)
            return load_embedder(name, Path("unused"))

    Slow(SETTINGS).warm("constant")
    warming = next(thread for thread in threading.enumerate() if thread.name == "warm")
    loaded.set()
    warming.join()
    assert not warming.daemon
