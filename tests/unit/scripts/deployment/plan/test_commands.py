"""gcloud command lines: flags and their escaping."""

import pytest

from scripts.deployment.plan.commands import gcloud, pairs


def test_pairs_choose_a_separator_that_no_value_contains() -> None:
    assert pairs({"A": "1", "B": "2"}) == "A=1,B=2"
    assert pairs({"A": "1,2", "B": "3"}) == "^|^A=1,2|B=3"
    with pytest.raises(ValueError, match="every one of"):
        pairs({"A": ",|;!@:~"})


def test_gcloud_formats_flags_and_names_stdin_in_a_comment() -> None:
    command = gcloud("a", target="t", some_text="x y", yes=True, no=False, none=None, stdin="SECRET")
    assert command.line() == "gcloud a '--some-text=x y' --yes --no-no  # stdin: SECRET"
