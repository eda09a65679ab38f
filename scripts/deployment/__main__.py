"""The command line of `scripts/deploy`: flags flow in, a deployed installation or a printed plan flows out.

    scripts/deploy [ENVIRONMENT]             make what differs from what is wanted
    scripts/deploy [ENVIRONMENT] --plan      print every command that makes it all from nothing; asks nobody
    scripts/deploy [ENVIRONMENT] --diff      print the commands that would be run now
    scripts/deploy [ENVIRONMENT] --to NAME   send traffic back to a revision, or to the release of an image tag

What is wanted stands in deploy.toml (docs/deploy.example.toml); flags go before it.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from scripts.deployment import rollback
from scripts.deployment.cloud import programs
from scripts.deployment.cloud.read_cloud import Google, connect, renewed
from scripts.deployment.cloud.runner import Runner
from scripts.deployment.cloud.values import Values
from scripts.deployment.exit_codes import told
from scripts.deployment.plan.cloud_state import Found
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.config import read
from scripts.deployment.plan.installation import Installation
from scripts.deployment.resources import foundations, identity
from scripts.deployment.resources.images import content_tag
from scripts.deployment.stages import NAMES, STAGES, WORKER, from_nothing

_FLAGS = ("project", "region", "domain", "database", "owner")


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; returns 0, 1 when it can't be done, 2 when the configuration is wrong, 130 on Ctrl-C."""
    options = _parse(arguments)
    flags = {name: value for name in _FLAGS if (value := getattr(options, name))}
    wanted = read(Path(options.file or programs.ROOT / "deploy.toml"), options.environment, flags)
    wanted = replace(wanted, tag=options.tag or content_tag(programs.ROOT))
    if options.to:
        return rollback.to(wanted, options.to, only_print=options.plan or options.diff)
    if options.plan:
        _print_all(from_nothing(wanted, options.stages))
        return 0
    return _diff(wanted, options.stages) if options.diff else _deploy(wanted, options.stages)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environment", nargs="?", default="", help="a section of deploy.toml, such as production")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--plan", action="store_true", help="print every command, one a line, and change nothing")
    what.add_argument("--diff", action="store_true", help="print the commands that are missing, and change nothing")
    parser.add_argument("--to", metavar="NAME", help="roll back: a revision's name, or the tag of a release's images")
    parser.add_argument("--only", metavar="STAGE,…", type=_stages, help=f"these stages alone: {', '.join(NAMES)}")
    parser.add_argument("--skip", metavar="STAGE,…", type=_stages, default=(), help="all stages but these")
    parser.add_argument("--tag", help="the images' tag; default: a hash of what they are made of")
    parser.add_argument("--file", metavar="FILE", help="another configuration than deploy.toml")
    for name in _FLAGS:
        parser.add_argument(f"--{name}", help="instead of what deploy.toml says")
    options = parser.parse_args(arguments)
    options.stages = [name for name in options.only or NAMES if name not in options.skip]
    return options


def _stages(text: str) -> tuple[str, ...]:
    names = tuple(part for part in text.split(",") if part)
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"no stage {unknown[0]}; there are {', '.join(NAMES)}")
    return names


def _print_all(planned: Iterable[tuple[str, list[Command]]]) -> None:
    """Print commands on stdout, and on stderr, so that stdout holds nothing else, the stages they belong to."""
    for name, commands in planned:
        if commands:
            print(f"# {name}", file=sys.stderr, flush=True)
        for command in commands:
            print(command.line(), flush=True)


def _connect(wanted: Installation) -> tuple[Google, Found]:
    google = connect(wanted.project)
    return google, foundations.look_apis(google, wanted, Found())


def _diff(wanted: Installation, names: Sequence[str]) -> int:
    google, found = _connect(wanted)
    if WORKER in names:
        programs.ready_edge()
    stages = [stage for stage in STAGES if stage.name in names]
    _print_all((stage.name, stage.plan(wanted, stage.look(google, wanted, found))) for stage in stages)
    return 0


def _deploy(wanted: Installation, names: Sequence[str]) -> int:
    """Run stage by stage, looking anew before each."""
    where = f" ({wanted.environment})" if wanted.environment else ""
    _say(f"{wanted.project}{where}, {wanted.region}, release {wanted.tag}")
    began, count = time.monotonic(), 0
    google, found = _connect(wanted)
    runner = Runner(Values(wanted), _say)
    for number, stage in enumerate(STAGES, 1):
        if stage.name not in names:
            continue
        if stage.name == WORKER:
            programs.ready_edge()
        google = renewed(google)
        found = stage.look(google, wanted, found)
        commands = stage.plan(wanted, found)
        _say(f"[{number}/{len(STAGES)}] {stage.name}: {_count(commands)}")
        if stage.name == WORKER:
            _say(f"  {identity.told(wanted, found)}")
        runner.run(commands)
        count += len(commands)
    done = "deployed" if count else "nothing to do"
    _say(f"{done} in {time.monotonic() - began:.0f} s: https://{wanted.domain}")
    return 0


def _count(commands: Sequence[Command]) -> str:
    if not commands:
        return "as it should be"
    return f"{len(commands)} command{'s' * (len(commands) > 1)}"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
