"""The tree of errors, and their problem documents."""

import pytest

from functions.chat.mcp_servers.client import TokenRefused
from functions.chat.mcp_servers.oauth.metadata import Challenge
from functions.collection.connectors.api_values import AccessDenied, Refused
from headwater import errors
from headwater.filters.parse import FilterError
from headwater.parsers import OtherParserNeeded


def every_error() -> list[type[errors.HeadwaterError]]:
    classes, unvisited = [], [errors.HeadwaterError]
    while unvisited:
        error = unvisited.pop()
        classes.append(error)
        unvisited += error.__subclasses__()
    return classes


SPECIAL: dict[type[errors.HeadwaterError], errors.HeadwaterError] = {
    errors.MethodNotAllowed: errors.MethodNotAllowed("m", ["GET"]),
    FilterError: FilterError(3, "what to do"),
    Refused: Refused("what to do", 404),
    AccessDenied: AccessDenied("what to do", 403),
    OtherParserNeeded: OtherParserNeeded("what to do", "application/pdf"),
    TokenRefused: TokenRefused("what to do", Challenge(), 401),
}
"""Errors that need more than a message."""


@pytest.mark.parametrize("kind", every_error())
def test_problem_has_the_status_of_its_error(kind: type[errors.HeadwaterError]) -> None:
    error = SPECIAL.get(kind) or kind("what to do")
    problem = errors.problem(error, "r1")
    assert problem["status"] == kind.status
    assert problem["request_id"] == "r1"
    assert {"type", "title", "status", "detail"} <= problem.keys()


def test_unexpected_error_text_is_not_shown() -> None:
    assert "secret" not in str(errors.problem(ValueError("secret")))


def test_type_is_the_class_name_in_kebab_case() -> None:
    assert errors.problem(errors.PayloadTooLarge("x"))["type"] == "urn:headwater:payload-too-large"
