"""A local cross-encoder."""

import random
from math import exp
from pathlib import Path

import pytest

from functions.chat.models.cross_encoder import CrossEncoder
from headwater.errors import ConfigError
from tests.harness.cross_encoder import write_cross_encoder


@pytest.mark.parametrize("labels", [1, 2])
def test_scores_belong_to_their_texts_whatever_the_batch(tmp_path: Path, labels: int) -> None:
    encoder = CrossEncoder(write_cross_encoder(tmp_path / "model", {"pump": 1.0, "lathe": -1.0}, labels))
    texts = [f"{'pump ' * n}the lathe {'x ' * (40 - n)}" for n in range(20)]
    random.Random(0).shuffle(texts)
    expected = [1 / (1 + exp(-(text.count("pump") - 1))) for text in texts]
    assert encoder.score("pump pump", texts, 60.0) == pytest.approx(expected, abs=1e-6)
    assert [encoder.score("lathe", [text], 60.0)[0] for text in texts] == pytest.approx(expected, abs=1e-6)
    assert encoder.score("pump", [], 60.0) == []


def test_long_texts_are_truncated_and_late_ones_time_out(tmp_path: Path) -> None:
    encoder = CrossEncoder(write_cross_encoder(tmp_path / "model", {"pump": 0.001}))
    [score] = encoder.score("lathe", ["pump " * 100_000], 60.0)
    assert score < 1 / (1 + exp(-0.512))
    with pytest.raises(TimeoutError):
        encoder.score("pump", ["pump"], -1.0)


def test_folder_without_a_model_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no model\.onnx or no tokenizer\.json"):
        CrossEncoder(tmp_path)
