#!/bin/sh
# Builds and pushes an image, with the latest image as the layer cache: sh image.sh TARGET REPOSITORY TAG
set -eu
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
