"""gunicorn's configuration: `gunicorn --config=python:headwater.web.gunicorn_config APP`.

Used by the images and by `scripts/dev`. gunicorn itself reads `PORT`, and any of these again from
its command line.
"""

import signal
from typing import Any

from headwater.config import get_settings
from headwater.web.shutdown import FINISH_S, HAND_BACK_S, get_lifetime

# The function is imported before the port is bound, so that no request waits for that.
preload_app = True
# One process: its threads share the database's connections and the model.
workers = 1
threads = get_settings().threads
# Whoever calls has time-outs of their own, and a stream is no hung worker.
timeout = 0
# By default idle connections are closed after 2 s, just when the next request comes over one.
keepalive = 620
graceful_timeout = round(FINISH_S + HAND_BACK_S)
# Nobody administers an instance, and there is no folder for a socket.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Have the process's lifetime told of SIGTERM, beside gunicorn, which then accepts no more connections."""
    stop_accepting = signal.getsignal(signal.SIGTERM)
    finish_s = max(0.0, worker.cfg.graceful_timeout - HAND_BACK_S)

    def end(signum: int, frame: Any) -> None:
        get_lifetime().end(finish_s=finish_s)
        if callable(stop_accepting):
            stop_accepting(signum, frame)

    signal.signal(signal.SIGTERM, end)
    signal.siginterrupt(signal.SIGTERM, False)
