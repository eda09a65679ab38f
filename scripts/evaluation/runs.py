"""Ask questions, measure the rankings, and compare two runs."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from scripts.evaluation.metrics import METRICS, Difference, Interval, difference, interval
from scripts.evaluation.questions import InvalidQuestions, Question

RANKINGS = ("words", "vectors", "hybrid", "reranked")
"""Ways to rank; the last needs a reranker."""
CLIENTS = 2
ANSWER_PASSAGES = 8
"""Passages that an answer is written from, at most: a question is declined if none of them is relevant."""

Search = Callable[[str, str], list[dict[str, Any]]]
"""Returns the hits of a question, ranked by one of RANKINGS."""


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run measured: `scores[ranking][metric][question]`, and which questions were declined.

    `declined` says it of each question that can be answered, `answered` of each that can't.
    """

    name: str
    scores: dict[str, dict[str, dict[str, float]]]
    declined: dict[str, float]
    answered: dict[str, float]
    search_ms: dict[str, float]


MAX_NAMED = 20
"""Documents and quotes that were never found and are named, at most."""


class _Asked(NamedTuple):
    scores: dict[str, float]
    is_answered: bool
    seconds: float
    not_found: frozenset[str]


def measure(
    name: str,
    questions: Sequence[Question],
    search: Search,
    *,
    say: Callable[[str], None],
    rankings: Sequence[str] = RANKINGS[:-1],
    checks_keys: bool = True,
) -> Run:
    """Ask each question, ranked in each way; those that can't be answered only in the last one, as the chat does.

    With `checks_keys`, expected documents and quotes that no ranking finds are named: they may be misspelt.
    """
    answerable = [question for question in questions if question.grades]
    others = [question for question in questions if not question.grades]
    scores: dict[str, dict[str, dict[str, float]]] = {}
    search_ms = {}
    declined = {}
    not_found = {question.id: frozenset(question.grades) for question in answerable}
    for ranking in rankings if answerable else ():
        asked = _ask_all(answerable, search, ranking)
        scores[ranking] = {metric: {name: row.scores[metric] for name, row in asked.items()} for metric in METRICS}
        search_ms[ranking] = 1000 * sorted(row.seconds for row in asked.values())[len(asked) // 2]
        declined = {name: float(not row.is_answered) for name, row in asked.items()}
        not_found = {name: missing & asked[name].not_found for name, missing in not_found.items()}
        say(f"Asked {len(asked):,} {'question' if len(asked) == 1 else 'questions'} by {ranking}.")
    if checks_keys and (never := sorted(frozenset().union(*not_found.values()))):
        say(
            f"Found by no ranking: {', '.join(never[:MAX_NAMED])}{', …' if len(never) > MAX_NAMED else ''}. "
            "Check that these are keys of documents and texts in them."
        )
    answered = {name: float(row.is_answered) for name, row in _ask_all(others, search, rankings[-1]).items()}
    return Run(name, scores, declined, answered, search_ms)


def _ask_all(questions: Sequence[Question], search: Search, ranking: str) -> dict[str, _Asked]:
    """Ask questions; returns what was measured, by the question's id."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = pool.map(lambda question: _ask(question, search, ranking), questions)
        return dict(zip((question.id for question in questions), asked, strict=True))


def _ask(question: Question, search: Search, ranking: str) -> _Asked:
    started = time.perf_counter()
    hits = search(question.text, ranking)
    seconds = time.perf_counter() - started
    found = list(dict.fromkeys(question.found(hit["key"], hit["text"]) for hit in hits))
    scores = {name: metric(found, question.grades) for name, metric in METRICS.items()}
    is_answered = any(hit["relevant"] for hit in hits[:ANSWER_PASSAGES])
    not_found = question.grades.keys() - {*found, *(hit["key"] for hit in hits)}
    return _Asked(scores, is_answered, seconds, frozenset(not_found))


def describe(run: Run) -> str:
    """Return the run's measures as a Markdown table."""
    lines = [f"## {run.name}"]
    if run.scores:
        lines += ["", f"| | {' | '.join(METRICS)} | median ms |", "|---" * (len(METRICS) + 2) + "|"]
    for ranking, metrics in run.scores.items():
        cells = [_cell(interval([*values.values()])) for values in metrics.values()]
        lines.append(f"| {ranking} | {' | '.join(cells)} | {run.search_ms[ranking]:.0f} |")
    for label, values in (("answerable questions declined", run.declined), ("others answered", run.answered)):
        if values:
            lines += ["", f"{label}: {_percent(interval([*values.values()]))} of {len(values):,}"]
    return "\n".join(lines)


def compare(old: Run, new: Run) -> tuple[str, bool]:
    """Return the differences as a Markdown table, and whether the new run is clearly worse in any measure.

    Clearly: the whole confidence interval of the difference is on the worse side.
    """
    lines = [f"## {old.name} → {new.name}", "", "| | difference | 95 % interval | better | worse |", "|---" * 5 + "|"]
    is_worse = False
    for ranking, metrics in new.scores.items():
        for metric, values in metrics.items():
            if before := old.scores.get(ranking, {}).get(metric):
                found = difference(before, values)
                is_worse |= found.high < 0
                lines.append(_line(f"{ranking} {metric}", found))
    for label, before, after in (
        ("declined", old.declined, new.declined),
        ("others answered", old.answered, new.answered),
    ):
        if before and after:
            found = difference(before, after)  # of these, less is better
            is_worse |= found.low > 0
            lines.append(_line(label, found._replace(wins=found.losses, losses=found.wins)))
    return "\n".join(lines), is_worse


def read_run(file: Path) -> Run:
    """Read a run that `write_run` wrote. Raises InvalidQuestions or OSError."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Run)
    except msgspec.DecodeError as error:
        raise InvalidQuestions(f"{file} is not a run that --output wrote: {error}.") from error


def write_run(run: Run, file: Path) -> None:
    """Write a run for a later comparison."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")


def summarise(run: Run) -> Mapping[str, float]:
    """Return the means of a run, such as `hybrid nDCG@10`."""
    means = {
        f"{ranking} {metric}": interval([*values.values()]).mean
        for ranking, metrics in run.scores.items()
        for metric, values in metrics.items()
    }
    rates = {"declined": run.declined, "answered": run.answered}
    return means | {name: interval([*values.values()]).mean for name, values in rates.items() if values}


def _cell(found: Interval) -> str:
    return f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"


def _percent(found: Interval) -> str:
    return f"{found.mean:.1%} ({found.low:.1%} to {found.high:.1%})"


def _line(label: str, found: Difference) -> str:
    bounds = f"{found.low:+.3f} to {found.high:+.3f}"
    return f"| {label} | {found.mean:+.3f} | {bounds} | {found.wins} | {found.losses} |"
