"""Fallback: which model is asked, and for how long a failed one is passed over."""

from collections.abc import Generator, Sequence
from typing import Any, cast

import pytest

from functions.chat.answers.pieces import Finish, Piece, Using
from functions.chat.answers.prompt import ModelMisconfigured, Turn
from functions.chat.models.fallback import MISCONFIGURED_PAUSE_S, PAUSE_S, FallbackModel, Pauses
from functions.chat.models.language_model import LanguageModel
from headwater.errors import HeadwaterError, PermanentError, UpstreamError


class Scripted:
    """Stands for a language model: yields pieces, then raises an error, if it has one."""

    def __init__(self, name: str, error: HeadwaterError | None = None, pieces: Sequence[Piece] = ()) -> None:
        self.name, self.error, self.pieces = name, error, pieces

    def stream(self, turns: Sequence[Turn], tools: Sequence[Any]) -> Generator[Piece, None, None]:
        yield from self.pieces
        if self.error:
            raise self.error
        yield Finish("stop")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def together(*models: Scripted, clock: Clock | None = None) -> FallbackModel:
    return FallbackModel(cast(list[LanguageModel], list(models)), Pauses(clock or Clock()))


def test_next_model_takes_over_before_the_first_piece_only() -> None:
    models = together(Scripted("a", UpstreamError("busy")), Scripted("b", UpstreamError("cut"), ["Yes"]), Scripted("c"))
    pieces = models.stream([])
    assert [next(pieces) for _ in range(3)] == [Using("a"), Using("b", ("a",)), "Yes"]
    with pytest.raises(UpstreamError, match="cut"):
        next(pieces)


def test_last_model_raises_its_own_error() -> None:
    models = together(Scripted("a", UpstreamError("first")), Scripted("b", UpstreamError("last")))
    with pytest.raises(UpstreamError, match="last"):
        list(models.stream([]))


def test_question_that_a_provider_rejects_is_not_sent_to_another() -> None:
    models = together(Scripted("a", PermanentError("too long")), Scripted("b"))
    with pytest.raises(PermanentError, match="too long"):
        list(models.stream([]))


@pytest.mark.parametrize(
    ("error", "pause_s"),
    [
        (UpstreamError("busy"), PAUSE_S),
        (UpstreamError("wait", 7.0), 7.0),
        (UpstreamError("wait", 1e9), 3600.0),
        (ModelMisconfigured("key"), MISCONFIGURED_PAUSE_S),
    ],
)
def test_failed_model_is_passed_over_for_its_pause(error: HeadwaterError, pause_s: float) -> None:
    clock, failing = Clock(), Scripted("a", error)
    models = together(failing, Scripted("b"), clock=clock)
    list(models.stream([]))
    clock.now, failing.error = pause_s - 0.5, None
    assert list(models.stream([])) == [Using("b", ("a",)), Finish("stop")]
    assert models.name == "b"
    clock.now = pause_s
    assert list(models.stream([])) == [Using("a"), Finish("stop")]


def test_paused_models_are_tried_if_all_are_paused() -> None:
    first = Scripted("a", UpstreamError("wait", 90.0))
    models = together(first, Scripted("b", UpstreamError("wait", 60.0)))
    with pytest.raises(UpstreamError):
        list(models.stream([]))
    first.error = None
    assert list(models.stream([])) == [Using("b", ("a",)), Using("a"), Finish("stop")]
