#!/bin/sh
# Builds and pushes an image, with the latest image as the layer cache: sh image.sh TARGET REPOSITORY TAG
set -eu
if ! grep -Eq '^ARG PYTHON=.+@sha256:[0-9a-f]{64}$' Dockerfile; then
  echo "Dockerfile: the base image PYTHON isn't pinned by digest. Append the digest that this command prints:" >&2
  echo "docker buildx imagetools inspect python:3.11-slim-bookworm" >&2
  exit 1
fi
image=$2/$1
if docker pull --quiet "$image:latest"; then
  cache=--cache-from=$image:latest
else
  cache=
fi
DOCKER_BUILDKIT=1 docker build --target="$1" --build-arg=BUILDKIT_INLINE_CACHE=1 ${cache:+"$cache"} \
  --tag="$image:$3" --tag="$image:latest" .
docker push "$image:$3"
docker push "$image:latest"
