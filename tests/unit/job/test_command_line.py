"""The job's command line: defaults, and the help of every command and option."""

import argparse
from collections.abc import Iterator

import pytest

from functions.job.__main__ import build_parser, main


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of all its commands, at any depth."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from parsers(command)


PARSERS = list(parsers(build_parser()))


def test_parser_has_every_command() -> None:
    names = {parser.prog.removeprefix("python -m functions.job").strip() for parser in PARSERS}
    keys = {"keys", "keys create", "keys list", "keys revoke"}
    assert names == {"", "drain", "collect", "migrate", "owner", *keys}


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.prog)
def test_every_command_and_option_has_help(parser: argparse.ArgumentParser) -> None:
    assert parser.description
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert all(choice.help for choice in action._choices_actions)
        else:
            assert action.help, f"{parser.prog} {action.dest}"


def test_help_exits_without_reading_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEASE_S", "not a number")
    with pytest.raises(SystemExit) as exited:
        main(["collect", "--help"])
    assert exited.value.code == 0
    assert "--dry-run" in capsys.readouterr().out


def test_default_command_is_drain() -> None:
    parse = build_parser().parse_args
    assert parse([]).run is parse(["drain"]).run
