"""Handlers of the chat queue's steps, by kind."""

from collections.abc import Mapping

from functions.chat.agents.step import RunAgent
from functions.chat.conversations.answer_step import WriteAnswer
from functions.chat.conversations.answerer import Answerer
from functions.chat.extraction.extract_step import ExtractFromDocument
from functions.chat.extraction.extractor import Extractor
from functions.chat.standing.ask_step import AskStandingQuestion
from functions.chat.standing.deliver_step import DeliverAnswer
from functions.chat.standing.delivery.callback_step import CallBack
from functions.chat.standing.delivery.mail_step import SendMail
from functions.chat.streams.answer_queue import AnswerQueue
from functions.chat.streams.group_commit import GroupCommit
from headwater.outbound.sockets import Lookup
from headwater.queue.tickets import Tickets
from headwater.queue.worker import Handler
from headwater.web.shutdown import Lifetime


def handlers(
    answerer: Answerer, commits: GroupCommit, tickets: Tickets, lifetime: Lifetime, lookup: Lookup
) -> Mapping[str, Handler]:
    """Return a handler for each kind of step."""
    database, settings = commits.database, answerer.settings
    return {
        "answer": WriteAnswer(answerer, commits, lifetime),
        "extract": ExtractFromDocument(Extractor(answerer)),
        "agent": RunAgent(
            database,
            settings,
            search=answerer.sources.search,
            research=answerer.sources.research,
            models=answerer.models,
            lifetime=lifetime,
        ),
        "ask": AskStandingQuestion(answerer, AnswerQueue(tickets)),
        "deliver": DeliverAnswer(),
        "call_back": CallBack(settings, lookup),
        "send_mail": SendMail(database, settings),
    }
