"""Scales of similarity: what a model's cosine similarities mean in a language.

Unrelated texts have a similarity of .05 with all-MiniLM-L6-v2, and of .8 with multilingual-e5-small. So each model is
measured with neutral texts of each language: questions and the passages that answer them. A scale is measured once, by
the first step that embeds texts of the language, and stored beside the model; searches only read it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headwater import logs
from headwater.config import Settings
from headwater.database.transactions import json_rows, owner_transaction
from headwater.embedding import constant
from headwater.embedding.active_model import read_active_model
from headwater.embedding.base import Embedder
from headwater.embedding.registry import known_languages
from headwater.errors import HeadwaterError, PermanentError, SystemicError
from headwater.words.analysis import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_SEPARATION = 3.0
"""How many deviations of unrelated pairs related ones are apart in a language that a model knows: 8 for English with
all-MiniLM-L6-v2, 2 at most for other languages; 4 to 7 with multilingual-e5-small."""


@dataclass(frozen=True)
class Scale:
    """How to read a model's similarities in a language.

    `mean` is the mean of the neutral passages' vectors: float32, dim. `unit` is how much more similar related texts
    are, `deviation` the deviation of unrelated ones.
    """

    mean: "NDArray[np.float32]"
    unit: float
    deviation: float


def neutral_language(language: str) -> str:
    """Return the language whose scale holds for texts of a language: that of the default where we have no texts."""
    return language if language in neutral_texts() else DEFAULT_LANGUAGE


def languages_to_measure(model: str, languages: Iterable[str | None]) -> set[str]:
    """Return the languages whose scales searches in texts of `languages` read: none that the model doesn't know."""
    if model == constant.NAME:
        return set()
    known = known_languages(model)
    wanted = {language or DEFAULT_LANGUAGE for language in languages}
    return {neutral_language(language) for language in (wanted if known is None else wanted.intersection(known))}


def measure_scale(embedder: Embedder, language: str) -> Scale | None:
    """Measure a model's scale in a language, None if it can't tell related texts from others."""
    questions, passages = zip(*neutral_texts()[language], strict=True)
    return make_scale(embedder.embed_queries(questions), embedder.embed_documents(passages))


def measure_scales(embedder: Embedder, languages: Iterable[str]) -> dict[str, Scale | None]:
    """Measure scales. A language whose texts the model refuses is left out and logged."""
    scales = {}
    for language in sorted(languages):
        try:
            scales[language] = measure_scale(embedder, language)
        except SystemicError:
            raise
        except PermanentError as error:
            logs.event("scale.refused", severity=30, model=embedder.name, language=language, error=error)
    return scales


def measure_missing(settings: Settings, embedder: Callable[[str], Embedder]) -> None:
    """Measure the active model in the languages of documents that were embedded before scales were stored.

    Connects as the owner of the database. A failure is logged: the next step that embeds texts tries again.
    """
    where = settings.database_admin_url, settings.database_root_certificate
    with owner_transaction(*where) as tx:
        model = read_active_model(tx)
        missing = unmeasured_languages(tx, model.id, model.name, tx.execute(_LANGUAGES).scalars())
    if not missing:
        return
    try:
        scales = measure_scales(embedder(model.name), missing)
    except HeadwaterError as error:
        logs.event("scale.failed", severity=40, model=model.name, error=error)
        return
    with owner_transaction(*where) as tx:
        store_scales(tx, model.id, scales)


def make_scale(questions: "NDArray[np.float32]", passages: "NDArray[np.float32]") -> Scale | None:
    """Make the scale of a language from the vectors of its neutral questions and of the passages that answer them.

    Each question is compared with the background of its similarities to the other passages, as a query is.
    """
    import numpy as np

    similarities = questions @ passages.T
    others = ~np.eye(len(similarities), dtype=bool)
    unrelated = similarities[others].reshape(len(similarities), -1)
    background = unrelated.mean(axis=1, keepdims=True)
    unit = float((similarities.diagonal() - background[:, 0]).mean())
    deviation = float((unrelated - background).std())
    return Scale(passages.mean(axis=0), unit, deviation) if unit > MIN_SEPARATION * deviation else None


def read_scales(tx: Connection, model_id: int, languages: Iterable[str]) -> dict[str, Scale | None]:
    """Read the scales that are stored. None for a language that the model doesn't know."""
    import numpy as np

    values = {"model_id": model_id, "languages": json_rows(sorted(languages))}
    return {
        row.language: None if row.mean is None else Scale(np.frombuffer(row.mean, "<f4"), row.unit, row.deviation)
        for row in tx.execute(_READ, values)
    }


def unmeasured_languages(tx: Connection, model_id: int, model: str, languages: Iterable[str | None]) -> list[str]:
    """Return which of the languages of texts have no scale yet, in order."""
    wanted = languages_to_measure(model, languages)
    if not wanted:
        return []
    stored = tx.execute(_STORED, {"model_id": model_id}).scalars()
    return sorted(wanted.difference(stored))


def store_scales(tx: Connection, model_id: int, scales: Mapping[str, Scale | None]) -> None:
    """Store scales, unless another step has stored them, or the model is deleted."""
    for language, scale in sorted(scales.items()):
        values = {
            "model_id": model_id,
            "language": language,
            "mean": scale and scale.mean.astype("<f4").tobytes(),
            "unit": scale and scale.unit,
            "deviation": scale and scale.deviation,
        }
        tx.execute(_STORE, values)


@cache
def neutral_texts() -> dict[str, Sequence[tuple[str, str]]]:
    """Return questions and passages that answer them, by language. The languages' texts say the same."""
    texts: dict[str, Sequence[tuple[str, str]]] = json.loads(
        Path(__file__).with_name("neutral_texts.json").read_text(encoding="utf-8")
    )
    return texts


_LANGUAGES = sa.text("select distinct language from documents where deleted_at is null")

_READ = sa.text("""
    select language, mean, unit, deviation from embedding_scales where model_id = :model_id
      and language in (select json_array_elements_text(cast(:languages as json)))
""")

_STORED = sa.text("select language from embedding_scales where model_id = :model_id")

_STORE = sa.text("""
    insert into embedding_scales (model_id, language, mean, unit, deviation)
    select id, :language, cast(:mean as bytea), cast(:unit as float8), cast(:deviation as float8)
    from embedding_models where id = :model_id
    on conflict do nothing
""")
