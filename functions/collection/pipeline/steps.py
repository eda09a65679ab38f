"""The handlers of collection's steps, for its function and for the job."""

import uuid
from collections.abc import Callable, Mapping

from functions.collection.pipeline.correct_languages import CorrectLanguages
from functions.collection.pipeline.fetch import Fetch
from functions.collection.pipeline.finish import Finish
from functions.collection.pipeline.index_words import IndexWords
from functions.collection.pipeline.link import Link
from functions.collection.pipeline.list_source import ListSource
from functions.collection.sources.connect import SourceOpener
from headwater.config import Settings
from headwater.queue.worker import Handler


def handlers(
    settings: Settings,
    start_job: Callable[[uuid.UUID], None] | None = None,
    opener: SourceOpener | None = None,
) -> Mapping[str, Handler]:
    """Return a handler for each kind of step. Without `start_job`, no run is handed to the Cloud Run job."""
    opener = opener or SourceOpener(settings)
    return {
        "list": ListSource(opener, settings, start_job),
        "fetch": Fetch(opener, settings),
        "link": Link(),
        "correct_languages": CorrectLanguages(),
        "index_words": IndexWords(),
        "finish": Finish(opener, settings),
    }
