"""gunicorn's configuration: `gunicorn --config=python:headwater.web.gunicorn_config APP`.

Used by the images and by `scripts/dev`. gunicorn reads `PORT` itself; its command line overrides these values.
"""

import gc
import signal
from typing import Any

from headwater.config import get_settings
from headwater.web.shutdown import FINISH_S, HAND_BACK_S, get_lifetime

# Import the function before binding the port, so that no request waits for the import.
preload_app = True
# Garbage collection finds nothing during the imports and takes an eighth of their time. `post_worker_init` enables it.
gc.disable()
# One process: its threads share the database connections and the embedding model.
workers = 1
threads = get_settings().threads
# No worker time-out: streams are long, and the callers have time-outs.
timeout = 0
# The default of 2 s closes idle connections that callers are about to reuse.
keepalive = 620
graceful_timeout = round(FINISH_S + HAND_BACK_S)
# Instances are not administered, and have no folder for a socket.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Enable garbage collection, without the imported objects, and begin the graceful shutdown at SIGTERM.

    gunicorn's own handler is called too; it stops accepting connections.
    """
    gc.freeze()
    gc.enable()
    stop_accepting = signal.getsignal(signal.SIGTERM)
    finish_s = max(0.0, worker.cfg.graceful_timeout - HAND_BACK_S)

    def end(signum: int, frame: Any) -> None:
        get_lifetime().end(finish_s=finish_s)
        if callable(stop_accepting):
            stop_accepting(signum, frame)

    signal.signal(signal.SIGTERM, end)
    signal.siginterrupt(signal.SIGTERM, False)
