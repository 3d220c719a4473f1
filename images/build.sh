#!/usr/bin/env bash
# Build the bases and an image a stage: build.sh [STAGE...]; all where none is named.
#
#   REGISTRY   what the names begin with; else platen
#   TAG        else the package's version
#   PUSH=1     push them, and leave their digests in build/images.json for `platen compile --digests`
#   DOCKER     the docker program
set -euo pipefail
cd "$(dirname "$0")/.."
docker=${DOCKER:-docker}
registry=${REGISTRY:-platen}
tag=${TAG:-$(sed -n 's/^__version__ = "\(.*\)"/\1/p' platen/__init__.py)}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
export DOCKER_BUILDKIT=1

# By standard input: BuildKit takes two Dockerfiles of one size and one time of change, as a fresh clone has them, for
# the same file, and gave a stage another one's image.
build() { # NAME DOCKERFILE [ARGUMENT...]
    local name=$1 file=$2
    shift 2
    "$docker" build --quiet ${NETWORK:+--network "$NETWORK"} --tag "$registry/$name:$tag" --file - "$@" . <"$file" >/dev/null
    echo "$registry/$name:$tag"
}

for base in light torch; do
    build $base images/bases/Dockerfile --target $base --build-arg VERSION="$tag" --build-arg REVISION="$revision"
done
stages=("$@")
(( $# )) || mapfile -t stages < <(cd images && find . -mindepth 2 -name Dockerfile -not -path './bases/*' -printf '%P\n' | sort | xargs -n 1 dirname)
names=()
for stage in "${stages[@]}"; do
    name=${stage//_/-}
    build "$name" "images/$stage/Dockerfile" --build-arg REGISTRY="$registry" --build-arg TAG="$tag"
    names+=("$name")
done
[[ ${PUSH:-} == 1 ]] || exit 0
mkdir -p build
for name in light torch "${names[@]}"; do
    "$docker" push --quiet "$registry/$name:$tag" >&2
    digest=$("$docker" image inspect --format '{{index .RepoDigests 0}}' "$registry/$name:$tag")
    echo "platen/$name ${digest##*@}"
done | python3 -c 'import json, sys; print(json.dumps(dict(map(str.split, sys.stdin)), indent=1))' >build/images.json
echo "digests: build/images.json"
