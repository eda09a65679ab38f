"""Measure how well a running stack finds the right passages, or runs prompts. Called by `scripts/eval`."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from scripts.evaluation.api import Api, ApiError
from scripts.evaluation.prompts import describe_tried, try_examples
from scripts.evaluation.questions import (
    InvalidQuestions,
    Question,
    QuestionSet,
    rated_questions,
    read_off_topic,
    read_questions,
    read_set,
    write_repository,
    write_texts,
)
from scripts.evaluation.runs import RANKINGS, Run, compare, describe, measure, read_run, write_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 1 if the run is clearly worse than the baseline,
    or fewer examples of prompts are right than asked for; 2 for an error.
    """
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (ApiError, InvalidQuestions, OSError) as error:
        print(f"scripts/eval: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    _check_files(options)
    if options.compare:
        old, new = map(read_run, options.compare)
        print(compare(old, new)[0])
        return 0
    if options.feedback:
        return _measure_feedback(options)
    if options.prompts is not None:
        return _try_prompts(options)
    question_set = _read(options)
    if options.write:
        write_texts(question_set.texts, options.write)
        print(f"Wrote {len(question_set.texts):,} texts to {options.write}.")
        return 0
    return _report(_measure(question_set, options), options)


def _check_files(options: argparse.Namespace) -> None:
    """Raise InvalidQuestions for files that would only be missed after all questions have been asked."""
    if options.output and not options.output.parent.is_dir():
        raise InvalidQuestions(f"--output: the folder {options.output.parent} doesn't exist. Create it first.")
    if options.baseline:
        read_run(options.baseline)


def _measure_feedback(options: argparse.Namespace) -> int:
    with closing(_api(options)) as api:
        questions = rated_questions(api.rated_questions())
    if not questions:
        raise InvalidQuestions("No answer with citations has been rated as helpful yet.")
    return _report(_measure(QuestionSet("feedback", (), questions), options), options)


def _try_prompts(options: argparse.Namespace) -> int:
    with closing(_api(options)) as api:
        tried = try_examples(api, options.prompts)
    if not tried:
        raise InvalidQuestions("No prompt function has an example.")
    print(describe_tried(tried))
    return int(sum(each.is_equal for each in tried) < options.at_least * len(tried))


def _report(run: Run, options: argparse.Namespace) -> int:
    print(describe(run))
    if options.output:
        write_run(run, options.output)
    if not options.baseline:
        return 0
    table, is_worse = compare(read_run(options.baseline), run)
    print(f"\n{table}")
    return int(is_worse)


def _read(options: argparse.Namespace) -> QuestionSet:
    found = read_set(options.set) if options.set else QuestionSet("questions", (), read_questions(options.questions))
    off_topic = [question for file in options.off_topic for question in read_off_topic(file)[: options.limit]]
    questions: list[Question] = [*found.questions[: options.limit], *off_topic]
    if not questions:
        raise InvalidQuestions("There are no questions. Name files with --set or --questions.")
    return QuestionSet(found.name, found.texts, questions)


def _measure(question_set: QuestionSet, options: argparse.Namespace) -> Run:
    with (
        closing(_api(options)) as api,
        _source(api, question_set, options.repository) as source_id,
    ):
        return measure(
            question_set.name,
            question_set.questions,
            lambda text, by: api.search(text, by, source_id),
            say=lambda line: print(line, file=sys.stderr),
            rankings=RANKINGS if api.has_reranker(source_id) else RANKINGS[:-1],
            checks_keys=not question_set.texts,
        )


def _api(options: argparse.Namespace) -> Api:
    try:
        token = options.token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidQuestions(
            f"The token can't be read ({error}). Name the file of your API key or token with --token-file."
        ) from error
    return Api(options.url, token, options.workspace)


@contextmanager
def _source(api: Api, question_set: QuestionSet, repository: str | None) -> Iterator[str | None]:
    """Yield the source of a set's texts, None for questions about the documents of the workspace."""
    name = f"Evaluation: {question_set.name}"
    if not question_set.texts:
        yield None
    elif repository:
        with api.source(name, repository) as source_id:
            yield source_id
    elif not api.is_local:
        raise InvalidQuestions("This stack can't read your files. Push what --write writes, and name it: --repository.")
    else:
        with tempfile.TemporaryDirectory() as folder:
            write_repository(question_set.texts, Path(folder))
            with api.source(name, Path(folder).as_uri()) as source_id:
                yield source_id


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/eval", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--set", type=Path)
    parser.add_argument("--questions", type=Path, nargs="+", default=[])
    parser.add_argument("--feedback", action="store_true")
    parser.add_argument("--prompts", nargs="*", metavar="NAME")
    parser.add_argument("--at-least", type=float, default=1.0)
    parser.add_argument("--off-topic", type=Path, action="append", default=[])
    parser.add_argument("--compare", type=Path, nargs=2)
    parser.add_argument("--url", default="http://127.0.0.1:8787")
    parser.add_argument("--token-file", type=Path, default=Path(".headwater/token"))
    parser.add_argument("--workspace")
    parser.add_argument("--limit", type=_positive)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--baseline", type=Path)
    parser.add_argument("--repository")
    parser.add_argument("--write", type=Path)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
