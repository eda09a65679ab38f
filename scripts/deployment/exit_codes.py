"""Exit codes and error messages of scripts/deploy and scripts/undeploy."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.config import ConfigurationError

Arguments = ParamSpec("Arguments")


def exit_codes(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Print errors of a command to stderr and return an exit code: 2 configuration, 1 failure, 130 Ctrl-C."""

    @wraps(main)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            return 2
        except DeploymentError as error:
            print(f"\nfailed: {error.problem}\nnext:   {error.next_step}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ninterrupted: run the same command again to continue", file=sys.stderr)
            return 130

    return wrapper
