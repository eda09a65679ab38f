"""The parser contract: results that break it are refused."""

import pytest

from headwater.errors import PermanentError
from headwater.parsers import Block, Link, Parsed, check_parsed

TEXT = "# One\n\ntwo\n"


def test_result_with_blocks_and_links_is_accepted() -> None:
    blocks = (Block("heading", 0, 5, ("One",)), Block("text", 7, 10, ("One",)))
    check_parsed(Parsed(TEXT, blocks=blocks, links=(Link("link", "b.md", 7, 10),)))
    check_parsed(Parsed("", markup=()))


@pytest.mark.parametrize(
    ("parsed", "message"),
    [
        (Parsed("a\0"), "NUL"),
        (Parsed("a", front_matter={"tags": ["a", {"b\0": 1}]}), "NUL"),
        (Parsed("a", warnings=("\0",)), "NUL"),
        (Parsed(TEXT, blocks=(Block("text", 7, 99, ()),)), "7:99"),
        (Parsed(TEXT, blocks=(Block("text", 7, 10, ()), Block("text", 0, 5, ()))), "0:5 out of order"),
        (Parsed(TEXT, blocks=(Block("text", 0, 5, ()), Block("text", 4, 10, ()))), "4:10 out of order"),
        (Parsed(TEXT, blocks=(Block("text", 5, 5, ()),)), "5:5"),
        (Parsed(TEXT, blocks=(Block("text", 5, 10, ()),)), "5:10 with space"),
        (Parsed(TEXT, markup=((7, 99),)), "markup at 7:99"),
        (Parsed(TEXT, markup=((4, 6), (5, 7))), "markup at 5:7 out of order"),
        (Parsed(TEXT, links=(Link("link", "b", -1, 2),)), "link at -1:2"),
    ],
)
def test_result_that_breaks_the_contract_is_refused(parsed: Parsed, message: str) -> None:
    with pytest.raises(PermanentError, match=message):
        check_parsed(parsed)
