"""Deploy Headwater to Google Cloud and Cloudflare.

    scripts/deploy [ENVIRONMENT]             create or update everything that differs from the configuration
    scripts/deploy [ENVIRONMENT] --plan      print every command for a deployment from nothing; works offline
    scripts/deploy [ENVIRONMENT] --diff      print the commands that a deployment would run now
    scripts/deploy [ENVIRONMENT] --promote FROM
                                             deploy the release that the environment FROM serves
    scripts/deploy [ENVIRONMENT] --rollback  roll back to the release before the current one
    scripts/deploy [ENVIRONMENT] --to NAME   roll back to a release or to a revision

The configuration is deploy.toml (docs/deploy.example.toml); flags override it. Interrupted deployments can be
repeated: completed work is skipped.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from headwater.redaction import escape
from scripts.deployment import promotion, rollback
from scripts.deployment.cloud import programs
from scripts.deployment.cloud.database_url import certificate_problem
from scripts.deployment.cloud.read_cloud import GoogleCloud, connect, with_fresh_token
from scripts.deployment.cloud.runner import Runner
from scripts.deployment.cloud.values import SKIP_CHECK, Values
from scripts.deployment.exit_codes import exit_codes
from scripts.deployment.plan.cloud_state import CloudState
from scripts.deployment.plan.commands import Command
from scripts.deployment.plan.config import ConfigurationError, read_installation
from scripts.deployment.plan.installation import Installation
from scripts.deployment.plan.validation import canary_problems, release_problem
from scripts.deployment.resources import foundations, identity
from scripts.deployment.resources.images import content_tag, newest_migration
from scripts.deployment.stages import NAMES, STAGES, WORKER, from_nothing

_FLAGS = ("project", "region", "domain", "database", "owner")


@exit_codes
def main(arguments: Sequence[str] | None = None) -> int:
    """Run scripts/deploy. Returns the exit code: 0, 1 on failure, 2 for an invalid configuration, 130 on Ctrl-C."""
    options = _parse(arguments)
    installation = _choose_release(_read(options), options)
    if options.rollback or options.to:
        name = options.to or rollback.PREVIOUS
        only_print, with_worker = options.plan or options.diff, WORKER in options.stages
        return rollback.roll_back(installation, name, only_print=only_print, with_worker=with_worker)
    if options.plan:
        _print_all(from_nothing(installation, options.stages))
        return 0
    if options.diff:
        return _diff(installation, options.stages)
    return _deploy(installation, options.stages, check_database=not options.skip_database_check)


def _read(options: argparse.Namespace) -> Installation:
    """Read the configuration of the chosen environment; flags override it. Raises ConfigurationError."""
    flags = {name: value for name in _FLAGS if (value := getattr(options, name))}
    installation = read_installation(options.file, options.environment, flags)
    if options.canary is not None:
        installation = replace(installation, canary=replace(installation.canary, percent=options.canary))
        if problems := canary_problems(installation.canary):
            raise ConfigurationError("\n".join(problems))
    return installation


def _choose_release(installation: Installation, options: argparse.Namespace) -> Installation:
    """Return the installation with a release: one that another environment serves, or the checkout's."""
    promote_from = options.promote or ("" if options.tag else installation.promote_from)
    if promote_from and not (options.plan or options.rollback or options.to):
        source = read_installation(options.file, promote_from, {})
        return promotion.promote(installation, source, with_worker=WORKER in options.stages)
    tag = options.tag or content_tag(programs.ROOT)
    if problem := release_problem(tag):
        raise ConfigurationError(problem)
    return replace(installation, tag=tag, schema=newest_migration(programs.ROOT))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "environment", nargs="?", default="", help="environment: a section of deploy.toml, such as production"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--plan", action="store_true", help="print all commands for a deployment from nothing; change nothing"
    )
    mode.add_argument("--diff", action="store_true", help="print the commands that would run now; change nothing")
    release = parser.add_mutually_exclusive_group()
    release.add_argument(
        "--tag", help="name of the release and tag of its images; default: a hash of the images' source files"
    )
    release.add_argument("--promote", metavar="FROM", help="deploy the release that another environment serves")
    release.add_argument("--rollback", action="store_true", help="roll back to the release before the current one")
    release.add_argument("--to", metavar="NAME", help="roll back to a release, or to the revision with this name")
    parser.add_argument("--only", metavar="STAGE,…", type=_stages, help=f"run these stages only: {', '.join(NAMES)}")
    parser.add_argument("--skip", metavar="STAGE,…", type=_stages, default=(), help="run all stages but these")
    parser.add_argument(
        "--canary", metavar="PERCENT", type=int, help="send this share of the traffic to the new release first; 0: none"
    )
    parser.add_argument(
        SKIP_CHECK, action="store_true", help="store the database's URL without trying it, if only Cloud Run reaches it"
    )
    default = programs.ROOT / "deploy.toml"
    parser.add_argument(
        "--file", metavar="FILE", type=Path, default=default, help="configuration; default: deploy.toml"
    )
    for name in _FLAGS:
        parser.add_argument(f"--{name}", help=f"override `{name}` of deploy.toml")
    options = parser.parse_args(arguments)
    options.stages = [name for name in options.only or NAMES if name not in options.skip]
    return options


def _stages(text: str) -> tuple[str, ...]:
    names = tuple(part for part in text.split(",") if part)
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"unknown stage {unknown[0]}; stages are {', '.join(NAMES)}")
    return names


def _print_all(planned: Iterable[tuple[str, list[Command]]]) -> None:
    """Print commands to stdout, and the names of their stages to stderr."""
    for name, commands in planned:
        if commands:
            print(f"# {name}", file=sys.stderr, flush=True)
        for command in commands:
            print(command.line(), flush=True)
            for undo in command.undo:
                print(f"# if that fails: {undo.line()}", flush=True)


def _read_project(installation: Installation) -> tuple[GoogleCloud, CloudState]:
    google = connect(installation.project)
    return google, foundations.read_apis(google, installation, CloudState())


def _diff(installation: Installation, names: Sequence[str]) -> int:
    google, state = _read_project(installation)
    if WORKER in names:
        programs.build_edge()
    stages = [stage for stage in STAGES if stage.name in names]
    _print_all((stage.name, stage.plan(installation, stage.read(google, installation, state))) for stage in stages)
    return 0


def _deploy(installation: Installation, names: Sequence[str], *, check_database: bool) -> int:
    """Read, plan and run stage by stage."""
    environment = f" ({installation.environment})" if installation.environment else ""
    _report(f"{installation.project}{environment}, {installation.region}, release {installation.tag}")
    started, count = time.monotonic(), 0
    google, state = _read_project(installation)
    values = Values(installation) if check_database else Values(installation, connection_problem=certificate_problem)
    runner = Runner(values, _report)
    for number, stage in enumerate(STAGES, 1):
        if stage.name not in names:
            continue
        if stage.name == WORKER:
            programs.build_edge()
        google = with_fresh_token(google)
        state = stage.read(google, installation, state)
        commands = stage.plan(installation, state)
        _report(f"[{number}/{len(STAGES)}] {stage.name}: {_describe_count(commands)}")
        if stage.name == WORKER:
            _report(f"  {identity.describe(installation, state)}")
        runner.run(commands)
        count += len(commands)
    outcome = "deployed" if count else "nothing to do"
    _report(f"{outcome} in {time.monotonic() - started:.0f} s: https://{installation.domain}")
    return 0


def _describe_count(commands: Sequence[Command]) -> str:
    if not commands:
        return "up to date"
    return f"{len(commands)} command{'s' * (len(commands) > 1)}"


def _report(line: str) -> None:
    print(escape(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
