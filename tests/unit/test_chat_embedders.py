"""Embedders: each is loaded once, however many ask."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from functions.chat.embedders import Embedders
from headwater.config import Settings
from headwater.errors import ConfigError


def embedders(**changes: object) -> Embedders:
    return Embedders(Settings(database_url="unused", **changes))  # type: ignore[arg-type]


def test_many_who_ask_at_once_get_the_same_one() -> None:
    load = embedders()
    together = threading.Barrier(8)

    def ask(_: int) -> int:
        together.wait(30)
        return id(load("constant"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(8)))) == 1


def test_a_model_that_is_not_there_is_an_error_each_time_it_is_wanted(tmp_path: Path) -> None:
    load = embedders(model_dir=tmp_path)
    load.warm()  # says so in the log, and leaves the error to whoever needs it
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"python -m headwater\.graph"):
            load("all-MiniLM-L6-v2")
