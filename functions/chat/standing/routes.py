"""The routes of standing questions: create, list, change, delete, run now, and the history of runs."""

from functools import partial
from urllib.parse import urlsplit

import msgspec
import sqlalchemy as sa
from msgspec import UNSET
from sqlalchemy.engine import Connection

from functions.chat.agents.custom.choice import check_agent
from functions.chat.conversations.answerer import Answerer
from functions.chat.conversations.model_choice import read_workspace_chat
from functions.chat.retrieval.routes import check_question
from functions.chat.standing import standing_questions
from functions.chat.standing.delivery.recipients import NO_SERVER, check_recipients
from functions.chat.standing.pages import PageQuery
from functions.chat.standing.standing_questions import (
    NewStandingQuestion,
    StandingQuestion,
    StandingQuestionChanges,
    StandingQuestionList,
)
from functions.chat.standing.standing_runs import StandingRun, StandingRunList, read_run, read_runs
from headwater.auth import audit_log
from headwater.auth.callers import Caller, ensure_local_workspace
from headwater.auth.webhook_signatures import make_secret
from headwater.database.transactions import Database, after_commit
from headwater.encryption import encrypt_token
from headwater.errors import Conflict, UnprocessableContent
from headwater.filters.parse import parse_filter
from headwater.queue.tickets import Tickets
from headwater.schedules.cron import check_schedule
from headwater.schedules.standing import open_standing_run
from headwater.web.app import Call, Route

MAX_QUESTION_CHARS = 28_000
"""Longest question about changes: the list of changes is added to it."""


class StandingRoutes:
    """Handlers of standing questions, each its owner's own. `tickets` wake the queue that asks them; None for none."""

    def __init__(self, database: Database, answerer: Answerer, tickets: Tickets | None) -> None:
        self.database = database
        self.answerer = answerer
        self.settings = answerer.settings
        self.tickets = tickets

    def routes(self) -> list[Route]:
        """Return the routes."""
        path, one = "/api/standing-questions", "/api/standing-questions/<uuid:id>"
        return [
            Route(
                "GET",
                path,
                self.list_standing_questions,
                "List standing questions",
                query=PageQuery,
                returns=StandingQuestionList,
            ),
            Route(
                "POST",
                path,
                self.create_standing_question,
                "Create a standing question",
                body=NewStandingQuestion,
                returns=StandingQuestion,
                status=201,
                access="editor",
            ),
            Route("GET", one, self.get_standing_question, "Get a standing question", returns=StandingQuestion),
            Route(
                "PATCH",
                one,
                self.change_standing_question,
                "Change a standing question",
                body=StandingQuestionChanges,
                returns=StandingQuestion,
                access="editor",
            ),
            Route("DELETE", one, self.delete_standing_question, "Delete a standing question", status=204),
            Route(
                "POST",
                f"{one}/run",
                self.run_standing_question,
                "Ask a standing question now",
                returns=StandingRun,
                status=202,
                access="editor",
            ),
            Route(
                "GET",
                f"{one}/runs",
                self.list_standing_runs,
                "List the runs of a standing question",
                query=PageQuery,
                returns=StandingRunList,
            ),
        ]

    def list_standing_questions(self, call: Call) -> StandingQuestionList:
        """List the caller's standing questions, latest first, each with its last run."""
        with self.database.transaction(call.workspace_id) as tx:
            return standing_questions.read_page(tx, call.caller, call.args)

    def create_standing_question(self, call: Call) -> StandingQuestion:
        """Create a question that is asked with the permissions and budgets of its owner, the caller."""
        self._tickets()
        new: NewStandingQuestion = call.body
        secret = make_secret() if new.callback_url is not None else None
        with self.database.transaction(call.workspace_id) as tx:
            ensure_local_workspace(tx, call.workspace_id)
            new = self._check(tx, call.caller, new)
            encrypted = None if secret is None else encrypt_token(secret, self.settings)
            id_ = standing_questions.create(tx, call.caller, new, encrypted)
            audit_log.record(tx, call.caller, "standing_question.created", id_, name=new.name)
            return _with_secret(standing_questions.read(tx, call.caller, id_), secret)

    def get_standing_question(self, call: Call) -> StandingQuestion:
        """Get a standing question with its last run."""
        with self.database.transaction(call.workspace_id) as tx:
            return standing_questions.read(tx, call.caller, call.path["id"])

    def change_standing_question(self, call: Call) -> StandingQuestion:
        """Change, pause or resume a standing question. It is not asked for times that passed while it was paused."""
        changes: StandingQuestionChanges = call.body
        secret = None
        with self.database.transaction(call.workspace_id) as tx:
            before, encrypted = standing_questions.read_for_change(tx, call.caller, call.path["id"])
            fields = msgspec.structs.asdict(changes)
            is_replaced = fields.pop("new_callback_secret")
            given = {name: value for name, value in fields.items() if value is not UNSET}
            after = msgspec.structs.replace(before, **given)
            if is_replaced or given != {"paused": True}:  # one whose model or source is gone can be paused
                after = self._check(tx, call.caller, after)
            if after.callback_url is None:
                encrypted = None
            elif encrypted is None or is_replaced:
                secret = make_secret()
                encrypted = encrypt_token(secret, self.settings)
            standing_questions.change(tx, call.caller, call.path["id"], after, encrypted)
            names = sorted(name for name in given if getattr(before, name) != getattr(after, name))
            target = call.path["id"]
            audit_log.record(tx, call.caller, "standing_question.changed", target, name=after.name, fields=names)
            return _with_secret(standing_questions.read(tx, call.caller, call.path["id"]), secret)

    def delete_standing_question(self, call: Call) -> None:
        """Delete a standing question with its history. Its conversations stay; a running answer continues."""
        with self.database.transaction(call.workspace_id) as tx:
            name = standing_questions.delete(tx, call.caller, call.path["id"])
            audit_log.record(tx, call.caller, "standing_question.deleted", call.path["id"], name=name)

    def run_standing_question(self, call: Call) -> StandingRun:
        """Ask a standing question now, also one that is paused. Its schedule stays as it is."""
        with self.database.transaction(call.workspace_id) as tx:
            standing_questions.read(tx, call.caller, call.path["id"])
        tickets = self._tickets()
        tickets.arm_watchdog()
        with self.database.transaction(call.workspace_id) as tx:
            standing_questions.read_for_change(tx, call.caller, call.path["id"])
            now = tx.execute(sa.text("select clock_timestamp()")).scalar_one()
            if _is_open(tx, call):
                raise Conflict("This standing question is being asked. Wait until the run has ended.")
            run_id = open_standing_run(tx, call.workspace_id, call.path["id"], "request", now)
            assert run_id is not None  # the question is locked
            after_commit(tx, partial(tickets.wake, ["chat"]))
            return read_run(tx, call.workspace_id, run_id)

    def list_standing_runs(self, call: Call) -> StandingRunList:
        """List the runs of a standing question, latest first, with their deliveries."""
        with self.database.transaction(call.workspace_id) as tx:
            standing_questions.read(tx, call.caller, call.path["id"])
            return read_runs(tx, call.workspace_id, call.path["id"], call.args)

    def _check(self, tx: Connection, caller: Caller, given: NewStandingQuestion) -> NewStandingQuestion:
        """Return a standing question in its stored form. Raises UnprocessableContent."""
        settings = self.settings
        name = " ".join(given.name.replace("\0", "").split())
        if not name:
            raise UnprocessableContent("name is empty. Enter a name.")
        most = min(settings.max_question_chars, MAX_QUESTION_CHARS) if given.changes else settings.max_question_chars
        question = check_question(given.question, most, "question")
        self.answerer.check_mode(given.mode, given.agent or None, has_queue=self.tickets is not None)
        if given.agent:
            check_agent(tx, caller, given.agent, settings.agents_dir)
        if given.changes and given.mode not in ("documents", "agent"):
            raise UnprocessableContent("changes: only questions with `mode` documents or agent can be about changes.")
        self._check_model(tx, caller, given.model)
        parse_filter(given.filter)
        schedule = given.schedule
        if schedule is not None:
            schedule = msgspec.structs.replace(schedule, cron=" ".join(schedule.cron.split()))
            now = tx.execute(sa.text("select clock_timestamp()")).scalar_one()
            check_schedule(schedule.cron, schedule.time_zone, tick_s=settings.tick_s, now=now)
        if given.on_change is not None:
            _check_sources(tx, caller, given.on_change)
        if given.callback_url is not None:
            _check_callback(given.callback_url, allow_http=settings.fetch_private)
        if given.mail_to and not settings.smtp_url:
            raise UnprocessableContent(f"mail_to: {NO_SERVER}")
        check_recipients(tx, caller.workspace_id, given.mail_to)
        mail_to = list(dict.fromkeys(given.mail_to))
        return msgspec.structs.replace(given, name=name, question=question, schedule=schedule, mail_to=mail_to)

    def _check_model(self, tx: Connection, caller: Caller, model: str) -> None:
        allowed = self.answerer.models.allowed_names(read_workspace_chat(tx, caller).allowed)
        if model and model not in allowed:
            raise UnprocessableContent(f"model: {model} is not available. Choose one of {', '.join(allowed)}.")

    def _tickets(self) -> Tickets:
        if self.tickets is None:
            raise UnprocessableContent("Standing questions need the queue `chat`. Set CHAT_URL.")
        return self.tickets


def _with_secret(question: StandingQuestion, secret: str | None) -> StandingQuestion:
    return question if secret is None else msgspec.structs.replace(question, callback_secret=secret)


def _check_sources(tx: Connection, caller: Caller, trigger: standing_questions.ChangeTrigger) -> None:
    ids = "{" + ",".join(map(str, trigger.sources)) + "}"
    missing = tx.execute(_MISSING_SOURCES, {"workspace_id": caller.workspace_id, "ids": ids}).scalars().all()
    if missing:
        raise UnprocessableContent(f"on_change: sources not found: {', '.join(map(str, missing))}.")


def _check_callback(url: str, *, allow_http: bool) -> None:
    """Raise UnprocessableContent for another address than https. Its host is checked when it is called."""
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError:
        is_valid = False
    if not (is_valid and url.isascii() and url.isprintable() and " " not in url):
        raise UnprocessableContent("callback_url: enter an address such as https://example.com/answers.")
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        raise UnprocessableContent("callback_url: enter an address that begins with https://.")


def _is_open(tx: Connection, call: Call) -> bool:
    values = {"workspace_id": call.workspace_id, "id": call.path["id"]}
    return bool(tx.execute(_IS_OPEN, values).scalar_one())


_MISSING_SOURCES = sa.text("""
    select id from unnest(cast(:ids as uuid[])) wanted (id)
    where not exists (select 1 from sources s where s.workspace_id = :workspace_id and s.id = wanted.id)
""")

_IS_OPEN = sa.text("""
    select exists (select 1 from standing_runs
      where workspace_id = :workspace_id and standing_question_id = :id and state = 'running')
""")
