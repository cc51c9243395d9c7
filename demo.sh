#!/bin/sh
# demo.sh: installs what is needed, builds hadal and chats with the small model in
# examples/models. Without a terminal it prints one story and the speed.
set -eu
cd "$(dirname "$0")"
sh cmake/install_packages.sh g++ cmake ninja-build pkg-config libabsl-dev libeigen3-dev \
  nlohmann-json3-dev libcli11-dev libedit-dev

build=build/demo
log=$build.log
mkdir -p build
echo "building into $build (the first time takes a few minutes) ..." >&2
{
  cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DHADAL_EXAMPLES=OFF &&
    cmake --build $build
} > $log 2>&1 || {
  tail -n 40 $log >&2
  echo "The build failed; all of its output is in $log." >&2
  exit 1
}

model=examples/models/story-q8_0.gguf
if [ -t 0 ] && [ -t 1 ]; then
  echo 'A small model that tells short stories and small talk. /exit leaves.'
  exec $build/examples/cli/hadal chat --model $model
fi
printf 'Once upon a time'
exec $build/examples/cli/hadal run --model $model --prompt 'Once upon a time' \
  --max-new-tokens 200
