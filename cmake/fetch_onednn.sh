#!/bin/sh
# fetch_onednn.sh [FOLDER]: builds the oneDNN that ships inside libhadal_onednn.so and installs it in
# FOLDER (build/onednn-static), for CMAKE_PREFIX_PATH. It is Debian 13's source of 3.7.2 with upstream's
# fixes of 3.7.3, static, with the threads of whoever calls it, and without all that hadal has no use
# for. That takes some 14 minutes of processor time; what is there is not built again, and the
# compiler launcher of the environment (ccache) is used.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../build/onednn-static}
archive=onednn_3.7.2+ds.orig.tar.xz
archive_hash=0cc51ca26c1af6a2bb1e71e378e7046f3ceb3e71791ee9d4e246d50f904a6ea6
patches=onednn_3.7.2+ds-2.debian.tar.xz
patches_hash=db6b5144773b4f5b152a0138cba74af39124d59285975db7f2c220e992dcd2d4

# Built by another version of this file: not the same thing.
key=$(sha256sum "$0" | cut -d ' ' -f 1)
[ "$(cat "$folder/.complete" 2> /dev/null)" != "$key" ] || exit 0
mkdir -p "$folder.download"
[ -e "$folder.download/$archive" ] && [ -e "$folder.download/$patches" ] ||
  sh "$here/debian_source.sh" "$folder.download" trixie onednn
sha256sum --check --quiet << END
$archive_hash  $folder.download/$archive
$patches_hash  $folder.download/$patches
END

source=$folder.src
rm -rf "$folder" "$source"
mkdir -p "$folder" "$source"
tar xf "$folder.download/$archive" -C "$source" --strip-components=1
tar xf "$folder.download/$patches" -C "$source"
# The others of Debian's patches are about packages that this build does without.
patch -s -d "$source" -p1 < "$source/debian/patches/upstream-3.7.3.patch"

# ONEDNN_ENABLE_PRIMITIVE shortens the lists of implementations, not those of files, which CMake
# finds by pattern: what no product and no reorder links goes before it looks.
(
  cd "$source/src/cpu"
  rm -f x64/*conv[!e]*.cpp x64/*conv.cpp x64/*1x1*.cpp x64/*deconv*.cpp x64/*pool*.cpp \
    x64/*batch_norm*.cpp x64/*_normalization*.cpp x64/*resampling*.cpp x64/*softmax*.cpp \
    x64/*inner_product.cpp x64/*reduction*.cpp x64/*sum*.cpp x64/jit_uni_binary*.cpp \
    x64/jit_uni_eltwise*.cpp x64/lrn/*.cpp x64/prelu/*.cpp x64/shuffle/*.cpp x64/rnn/*.cpp rnn/*.cpp
)

# A library that is somebody's guest does not look at the environment; some of these variables would
# write files. Calls that set the same things first are not enough: the caches ask all the same.
utils=$source/src/common/utils.cpp
sed -i 's|= ::getenv(name);|= nullptr; // Changed for hadal: the environment is not read.|' "$utils"
grep -q 'Changed for hadal' "$utils"

# No GEMM kernels: only machines would use them that are better served by hadal's own. The stand-in
# for <iostream> and no unique symbols, as everywhere in what a host may unload.
cmake -S "$source" -B "$source/build" -Wno-dev -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_INSTALL_PREFIX="$(cd "$folder" && pwd)" -DCMAKE_INSTALL_LIBDIR=lib \
  -DONEDNN_LIBRARY_TYPE=STATIC -DONEDNN_CPU_RUNTIME=THREADPOOL -DONEDNN_GPU_RUNTIME=NONE \
  -DONEDNN_ENABLE_WORKLOAD=INFERENCE "-DONEDNN_ENABLE_PRIMITIVE=MATMUL;REORDER" \
  -DONEDNN_ENABLE_GEMM_KERNELS_ISA=NONE -DONEDNN_BUILD_GRAPH=OFF -DONEDNN_BUILD_TESTS=OFF \
  -DONEDNN_ENABLE_PRIMITIVE_CACHE=OFF \
  -DONEDNN_BUILD_EXAMPLES=OFF -DONEDNN_BUILD_DOC=OFF -DONEDNN_VERBOSE=OFF \
  -DONEDNN_ENABLE_JIT_PROFILING=OFF -DONEDNN_ENABLE_ITT_TASKS=OFF \
  -DONEDNN_ENABLE_MAX_CPU_ISA=OFF -DONEDNN_ENABLE_CPU_ISA_HINTS=OFF \
  -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
  "-DCMAKE_CXX_FLAGS=-I$here/../lib/base/no_iostream -fvisibility=hidden -fvisibility-inlines-hidden -fno-gnu-unique -ffunction-sections -fdata-sections" \
  > "$folder.log" 2>&1 || { cat "$folder.log"; exit 1; }
cmake --build "$source/build" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" >> "$folder.log" 2>&1 ||
  { tail -n 50 "$folder.log"; exit 1; }
cmake --install "$source/build" >> "$folder.log" 2>&1
rm -rf "$source"
echo "$key" > "$folder/.complete"
