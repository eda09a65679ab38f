#!/bin/sh
# Builds an image and pushes it: sh image.sh TARGET REPOSITORY TAG. What is as it was comes from the image before.
set -eu
image=$2/$1
if docker pull --quiet "$image:latest"; then
  before=--cache-from=$image:latest
else
  before=
fi
DOCKER_BUILDKIT=1 docker build --target="$1" --build-arg=BUILDKIT_INLINE_CACHE=1 ${before:+"$before"} \
  --tag="$image:$3" --tag="$image:latest" .
docker push "$image:$3"
docker push "$image:latest"
