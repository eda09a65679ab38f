"""Handlers of the embedding queue's steps, by kind. The embedding function and the job run them."""

from collections.abc import Callable, Mapping

from functions.embedding.embed import Embed
from headwater.embedding.base import Embedder
from headwater.embedding.hosted.recording import Recorder
from headwater.queue.worker import Handler


def handlers(embedder: Callable[[str], Embedder], recorder: Recorder) -> Mapping[str, Handler]:
    """Return a handler for each kind of step."""
    return {"embed": Embed(embedder, recorder)}
