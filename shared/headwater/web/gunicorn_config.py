"""gunicorn's configuration: `gunicorn --config=python:headwater.web.gunicorn_config APP`.

Used by the images and by `scripts/dev`. gunicorn reads `PORT` itself; its command line overrides these values.
"""

import gc
import sys
from typing import Any

from headwater.config import get_settings
from headwater.processes.protect import protect_memory
from headwater.web.gunicorn_worker import SWITCH_S, thread_count
from headwater.web.shutdown import FINISH_S, HAND_BACK_S

worker_class = "headwater.web.gunicorn_worker.BufferingWorker"
# Import the function before binding the port, so that no request waits for the import.
preload_app = True
# Garbage collection finds nothing during the imports and takes an eighth of their time. `post_worker_init` enables it.
gc.disable()
# One process: its threads share the database connections and the embedding model.
workers = 1
# Reads the settings, so that a function without a required one never listens.
threads = thread_count(get_settings())
# No worker time-out: streams are long. The worker has deadlines of its own, and so have the callers.
timeout = 0
# The default of 2 s closes idle connections that callers are about to reuse.
keepalive = 620
graceful_timeout = round(FINISH_S + HAND_BACK_S)
# Instances are not administered, and have no folder for a socket.
control_socket_disable = True


def on_starting(_: Any) -> None:
    """Keep the settings from the processes of extensions and agents, which run as the same user."""
    protect_memory()


def post_worker_init(_: Any) -> None:
    """Enable garbage collection, without the imported objects, and let threads take turns more often."""
    gc.freeze()
    gc.enable()
    sys.setswitchinterval(SWITCH_S)
