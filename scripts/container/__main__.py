"""The command of the one container.

headwater                run all services until SIGTERM
headwater health         exit with 0 if all of them are ready, for HEALTHCHECK
headwater link           print the web app's address; with AUTH_MODE=local, with the token
headwater job COMMAND …  run a command of the job, such as `owner --subject SUB` or `collect --source ID`
"""

import sys

from scripts.container.init import accept_signals, become_init


def main() -> None:
    """Run a command. Exits with 2 if it is unknown."""
    arguments = sys.argv[1:]
    if not arguments:
        become_init()  # before the imports of the supervisor, which init doesn't need
    accept_signals()
    from scripts.container.commands import health, job, link, serve

    match arguments:
        case []:
            serve()
        case ["health"]:
            health()
        case ["link"]:
            link()
        case ["job", *words]:
            job(words)
        case _:
            print(__doc__, file=sys.stderr)
            sys.exit(2)


if __name__ == "__main__":
    main()
