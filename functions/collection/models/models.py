"""Embedding models: list, register, build, activate, roll back, delete; estimate what a build costs.

The models are the installation's. Only an owner of all its workspaces may change them.
"""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from functions.collection.models.builds import ACTIVATE, Builds
from headwater import logs
from headwater.auth.callers import Caller
from headwater.config import Settings
from headwater.database.transactions import ALL_WORKSPACES, Database
from headwater.embedding.hosted.providers import is_hosted, parse
from headwater.embedding.local.models import E5, ENCODERS
from headwater.embedding.registry import check_model, dim_without_asking, model_dim
from headwater.errors import ConfigError, Conflict, Forbidden, NotFound, PermanentError, UnprocessableContent
from headwater.usage.prices import load_prices

State = Literal["registered", "building", "active", "retired"]

HOSTED_TOKENS_PER_S = 5_000
"""Tokens that a worker embeds per second with a hosted model, as long as no speed was measured."""

_MAX_MODELS = 20
"""Each has a partition. More are a mistake."""


class Progress(msgspec.Struct, frozen=True):
    """Progress of the latest builds: `embedded` of `texts`; whether one is running; the last failure."""

    texts: int
    embedded: int
    is_open: bool
    error: str | None


class EmbeddingModel(msgspec.Struct, frozen=True, kw_only=True):
    """An embedding model of the installation; `dim` is the length of its vectors.

    `provider` is a hosted model's, such as `Cohere`, or `local`. `price`: US dollars for a million tokens; 0 for a
    local model, null if it is not known.

    `registered` models have no vectors yet. `building` ones get those of all texts and of new documents, while the
    `active` one answers searches. `retired` ones keep their vectors for a roll-back. `activates`: it becomes active as
    soon as it is complete.
    """

    id: int
    name: str
    provider: str
    price: float | None
    dim: int
    state: State
    activates: bool
    created_at: dt.datetime
    activated_at: dt.datetime | None
    progress: Progress | None = None


class EmbeddingModelList(msgspec.Struct, frozen=True):
    """All models, oldest first. `may_change`: whether the caller may change them.

    `available`: local models to register; `providers`: beginnings of the names of hosted ones, such as `cohere`.
    """

    models: list[EmbeddingModel]
    may_change: bool
    available: list[str]
    providers: list[str]


class NewEmbeddingModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model to register: a local one, or `PROVIDER:MODEL`. `#512` at the end: the length of its vectors."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^\S+$")]


class Build(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to build a model. With `activate`, it becomes the active one as soon as it is complete."""

    activate: bool = False


class Activation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to activate a model. `allow_missing`: also if it lacks vectors; texts without are found by words only."""

    allow_missing: bool = False


class Estimate(msgspec.Struct, frozen=True):
    """What building a model takes: texts and tokens without a vector, the price if it is known, the time.

    `tokens` are counted as the model did that was active when the documents were read. `minutes` holds for the
    installation's usual number of workers: by the speed of the latest batches, else by that of a local model on one
    core. A model in a folder of yours counts as multilingual-e5-small, a hosted one embeds 5,000 tokens per second.
    """

    texts: int
    tokens: int
    usd: float | None
    minutes: float


class EmbeddingModels:
    """Changes the installation's models. `actor` is the subject that the audit log names."""

    def __init__(self, database: Database, settings: Settings, builds: Builds) -> None:
        self.database = database
        self.settings = settings
        self.builds = builds

    def read_all(self) -> list[EmbeddingModel]:
        """Read all models."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            return [self._model(row) for row in tx.execute(_SELECT_ALL)]

    def read(self, model_id: int) -> EmbeddingModel:
        """Read a model. Raises NotFound."""
        for model in self.read_all():
            if model.id == model_id:
                return model
        raise NotFound(f"Embedding model not found: {model_id}. List models with GET /api/embedding-models.")

    def estimate(self, model_id: int) -> Estimate:
        """Estimate what building a model takes. Raises NotFound."""
        model = self.read(model_id)
        with self.database.transaction(ALL_WORKSPACES) as tx:
            missing = tx.execute(_MISSING, {"model_id": model_id}).one()
            speed = tx.execute(_SPEED, {"model_id": model_id}).scalar_one()
        workers = self.settings.max_job_workers if self.settings.job_name else self.settings.max_tickets
        seconds = missing.tokens / _tokens_per_s(model.name) if speed is None else missing.texts / speed
        return Estimate(
            missing.texts,
            missing.tokens,
            None if model.price is None else round(missing.tokens / 1e6 * model.price, 4),
            round(seconds / workers / 60, 2),
        )

    def register(self, actor: str, name: str) -> EmbeddingModel:
        """Register a model, or return it if it is registered.

        Asks a hosted model for a vector if its length is not known. Raises UnprocessableContent for an unknown model or
        a missing setting, and UpstreamError if the provider fails.
        """
        models = {model.name: model for model in self.read_all()}
        try:
            check_model(name, self.settings)
            dim = dim_without_asking(name, self.settings)
            if dim is None:
                dim = models[name].dim if name in models else model_dim(name, self.settings)
        except (ConfigError, PermanentError) as error:
            raise UnprocessableContent(f"name: {error.message}") from None
        if name not in models:
            if len(models) >= _MAX_MODELS:
                raise Conflict(f"There are {len(models)} models. Delete one first.")
            self._change(_REGISTER, actor, "model.registered", model=name, dim=dim)
            models = {model.name: model for model in self.read_all()}
        if models[name].dim != dim:
            raise Conflict(
                f"EMBEDDING_DIM is {dim}, but {name} is registered with vectors of the length {models[name].dim}. "
                "Delete the model first."
            )
        return models[name]

    def build(self, actor: str, model_id: int, *, activate: bool) -> EmbeddingModel:
        """Begin to build a model, or go on. Raises NotFound, or Conflict if it is active or lacks a setting."""
        model = self.read(model_id)
        if model.state == "active":
            raise Conflict(f"{model.name} is active. New documents are embedded with it.")
        self._check_settings(model)
        self._change(_BUILD, actor, "model.building", model_id=model_id, activate=activate)
        self.builds.open_all(model_id)
        return self.read(model_id)

    def activate(self, actor: str, model_id: int, *, allow_missing: bool = False) -> EmbeddingModel:
        """Make a model the active one, in one transaction.

        Raises Conflict if it lacks a setting, or vectors, unless these are allowed to be missing.
        """
        model = self.read(model_id)
        if model.state == "registered":
            raise Conflict(f"{model.name} has no vectors. Build it first: POST /api/embedding-models/{model_id}/build.")
        self._check_settings(model)
        missing = self._change(ACTIVATE, actor, "model.switched", model_id=model_id, allow_missing=allow_missing)
        if missing and not allow_missing:
            raise Conflict(
                f"{missing:,} texts have no vector of {model.name} yet. Wait until it is built, or set "
                "`allow_missing`: these texts are found by words only until they are embedded."
            )
        if missing:
            self.builds.open_all(model_id)
        return self.read(model_id)

    def roll_back(self, actor: str) -> EmbeddingModel:
        """Activate the model that was active before. Texts that it lacks are embedded from now on. Raises Conflict."""
        retired = [model for model in self.read_all() if model.state != "active" and model.activated_at]
        if not retired:
            raise Conflict("No model was active before this one.")
        previous = max(retired, key=lambda model: model.activated_at or model.created_at)
        return self.activate(actor, previous.id, allow_missing=True)

    def delete(self, actor: str, model_id: int) -> None:
        """Delete a model with its vectors and its index. Raises NotFound, or Conflict if it is active or in use."""
        model = self.read(model_id)
        if model.state != "active":
            with self.database.transaction(ALL_WORKSPACES) as tx:
                tx.execute(_RETIRE, {"model_id": model_id})
            self.builds.cancel_all(model_id)
        try:
            is_dropped = self._change(_DROP, actor, "model.deleted", model_id=model_id)
        except sa.exc.DBAPIError as error:
            if "55P03" not in str(error.orig):  # lock_not_available
                raise
            raise Conflict(f"The vectors of {model.name} are in use. Try again in a minute.") from None
        if not is_dropped:  # active, or deleted by another request in the meantime
            raise Conflict(f"{self.read(model_id).name} is active. Activate another model first.")

    def _check_settings(self, model: EmbeddingModel) -> None:
        """Raise Conflict if a setting or file of the model is missing: searches would fail once it is active."""
        try:
            check_model(model.name, self.settings)
        except (ConfigError, PermanentError) as error:
            raise Conflict(f"{error.message} Add what is missing to the installation first.") from None

    def _model(self, row: Any) -> EmbeddingModel:
        progress = None
        if row.runs:
            progress = Progress(max(row.texts, row.embedded), row.embedded, row.is_open, row.error)
        hosted = parse(row.name)
        price = load_prices(self.settings.prices).find(row.name.partition("#")[0])
        return EmbeddingModel(
            id=row.id,
            name=row.name,
            provider=hosted.provider.title if hosted else "local",
            price=0.0 if hosted is None else None if price is None else float(price.input),
            dim=row.dim,
            state=row.state,
            activates=row.activates,
            created_at=row.created_at,
            activated_at=row.activated_at,
            progress=progress,
        )

    def _change(self, statement: sa.TextClause, actor: str, action: str, **values: Any) -> Any:
        """Call a function that changes a model and adds an entry to each workspace's audit log."""
        with self.database.transaction(ALL_WORKSPACES) as tx:
            result = tx.execute(statement, {"actor": actor, **values}).scalar_one()
        logs.event("audit", actor=actor, change=action, result=result, details=values)
        return result


def _tokens_per_s(name: str) -> int:
    """Return how many tokens a worker embeds per second with a model of which no speed was measured."""
    return HOSTED_TOKENS_PER_S if is_hosted(name) else ENCODERS.get(name, E5).tokens_per_s


def check_may_change(tx: Connection, caller: Caller) -> None:
    """Raise Forbidden unless the caller owns all workspaces of the installation. Needs the scope ALL_WORKSPACES."""
    if not may_change(tx, caller):
        raise Forbidden(
            "The embedding model is shared by all workspaces of this installation, and you don't own all of them. "
            "Ask its operator, who can change EMBEDDING_MODEL."
        )


def may_change(tx: Connection, caller: Caller) -> bool:
    """Return whether the caller, an owner, owns all workspaces. An API key owns its own one only."""
    values = {"workspace_id": caller.workspace_id, "subject": caller.subject}
    return caller.role == "owner" and bool(tx.execute(_OWNS_ALL, values).scalar_one())


# The last build of each workspace. Its steps are counted while it is open, afterwards its counts are stored.
_SELECT_ALL = sa.text("""
    select m.id, m.name, m.dim, m.state, m.activates, m.created_at, m.activated_at, b.*
    from embedding_models m cross join lateral (
      select count(*) as runs, coalesce(sum(last.total), 0)::bigint as texts,
        coalesce(sum(coalesce((last.counts ->> 'embedded')::bigint, open.embedded, 0)), 0)::bigint as embedded,
        coalesce(bool_or(last.state = 'running'), false) as is_open,
        coalesce(max(open.error), max(last.error ->> 'detail')) as error
      from (
        select distinct on (workspace_id) id, total, counts, state, error from runs
        where building_model_id = m.id order by workspace_id, created_at desc) last
      left join lateral (
        select sum((s.result ->> 'embedded')::bigint) filter (where s.state = 'done') as embedded,
          max(s.error) filter (where s.state <> 'done') as error
        from steps s where s.run_id = last.id and s.kind = 'embed' and last.state = 'running') open on true
    ) b
    order by m.id
""")

_MISSING = sa.text("""
    select coalesce(sum(texts), 0)::bigint as texts, coalesce(sum(tokens), 0)::bigint as tokens
    from missing_embeddings(cast(:model_id as integer), false)
""")

# Texts per second and worker in the latest steps.
_SPEED = sa.text("""
    select sum(n) / nullif(sum(took_s), 0) from (
      select (s.result ->> 'embedded')::float8 as n, extract(epoch from s.finished_at - s.started_at)::float8 as took_s
      from steps s join runs r on r.id = s.run_id
      where r.building_model_id = :model_id and s.kind = 'embed' and s.state = 'done'
      order by s.id desc limit 100) latest
""")

_OWNS_ALL = sa.text("""
    select not exists (select 1 from workspaces w where w.id <> :workspace_id and not exists (
      select 1 from members m where m.workspace_id = w.id and m.subject = :subject and m.role = 'owner'))
""")

_REGISTER = sa.text("select register_embedding_model(:actor, :model, cast(:dim as integer))")

_BUILD = sa.text("select build_embedding_model(:actor, cast(:model_id as integer), cast(:activate as boolean))")

_RETIRE = sa.text("select retire_embedding_model(cast(:model_id as integer))")

_DROP = sa.text("select drop_embedding_model(:actor, cast(:model_id as integer))")
