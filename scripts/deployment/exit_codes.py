"""How a command of the deployment ends: what it raises flows in, words on stderr and an exit code flow out."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from scripts.deployment.cloud.failures import DeploymentError
from scripts.deployment.plan.config import ConfigurationError

Arguments = ParamSpec("Arguments")


def told(main: Callable[Arguments, int]) -> Callable[Arguments, int]:
    """Have a command tell what is wrong and what to do: 2 for the configuration, 1 for a failure, 130 for Ctrl-C."""

    @wraps(main)
    def ended(*args: Arguments.args, **kwargs: Arguments.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            return 2
        except DeploymentError as error:
            print(f"\nfailed: {error.what}\nnext:   {error.next_step}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ninterrupted: run the same again, and it goes on where it was", file=sys.stderr)
            return 130

    return ended
