"""Truncated, corrupted and misnamed files: each is read, or refused with a reason, by every parser."""

from functions.collection.parsers.choose import BuiltInParser, choose, load_built_in, true_parser
from headwater.errors import PermanentError
from headwater.parsers import check_parsed
from tests.harness.broken_files import broken


def test_broken_files_are_read_or_refused_with_a_reason() -> None:
    reasons: list[str] = []
    for name, content in broken(count=80, seed=7):
        parser = choose(name, "").parser
        assert isinstance(parser, BuiltInParser)
        try:
            check_parsed(load_built_in(true_parser(parser.name, content))(name, content, ""))
        except PermanentError as error:
            reasons.append(error.message)
    assert 20 <= len(reasons) <= 60
    assert min(map(len, reasons)) > len("it has no text") - 1
