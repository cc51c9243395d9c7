#!/bin/sh
# test.sh [PART...]: installs what is needed, builds and passes every test. The parts, all of them
# by default:
#   release  the library to ship, with its private Abseil, as its users and hosts see it
#   asan     every test under the address, leak and undefined behaviour sanitizers
#   tsan     what works with threads under the thread sanitizer
#   dev      every test, optimised
# and one that takes a quarter of an hour more, the first time:
#   onednn   builds oneDNN and the module with it, tests every op and the package
# and one for another processor:
#   arm64    builds for 64-bit ARM, tests the kernels for it under an emulator: ten minutes
# HADAL_CMAKE holds further arguments for CMake, such as -DHADAL_WERROR=ON.
set -eu
cd "$(dirname "$0")"
sh cmake/install_packages.sh g++ cmake ninja-build pkg-config libabsl-dev libeigen3-dev \
  nlohmann-json3-dev libcli11-dev libedit-dev libgtest-dev libgmock-dev libbenchmark-dev python3 \
  clang-14 util-linux

if command -v ccache > /dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

build() { # PRESET [TARGET...]
  preset=$1
  shift
  # shellcheck disable=SC2086 # words are wanted
  cmake --preset "$preset" ${HADAL_CMAKE:-} > "build/$preset.log" 2>&1 ||
    { cat "build/$preset.log"; exit 1; }
  if [ $# -gt 0 ]; then set -- --target "$@"; fi
  cmake --build "build/$preset" "$@"
}
run() { # PRESET [CTEST ARGUMENT...]
  preset=$1
  shift
  ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" --timeout 600 "$@"
}

mkdir -p build
[ $# -gt 0 ] || set -- release asan tsan dev
for part; do
  echo "== $part"
  case $part in
    dev) build dev && run dev ;;
    onednn)
      sh cmake/install_packages.sh patch xz-utils
      sh cmake/fetch_onednn.sh
      sh cmake/fetch_abseil.sh
      build onednn backends_test onednn_test model_test package_tests
      run onednn -R '^(backends|onednn|model|package|capi|hadal_hpp|example)'
      ;;
    asan)
      build asan
      # Likelihoods of whole texts only repeat, for minutes, what shorter ones have done.
      (export GTEST_FILTER='-StoryTest.*Unseen*' && run asan)
      ;;
    arm64)
      sh cmake/install_packages.sh g++-aarch64-linux-gnu qemu-user
      sh cmake/aarch64_packages.sh build/aarch64-root
      build arm64 backends_test
      # The scalar kernels do there what they do everywhere.
      (export GTEST_FILTER='Cpu*:*neon*' && run arm64 --timeout 1800 -R '^backends$')
      ;;
    release)
      sh cmake/fetch_abseil.sh
      build release package_tests
      run release -R '^(package|capi|hadal_hpp|example)'
      ;;
    tsan)
      build tsan thread_tests
      # The sanitizer needs addresses where it expects them. The story model only repeats, for
      # minutes, what the toys have done.
      GTEST_FILTER='-StoryTest.*' setarch "$(uname -m)" -R ctest --test-dir build/tsan --output-on-failure -j "$(nproc)" \
        --timeout 600 -R '^(session|capi_test|capi_host|capi_lifetime|hadal_hpp)'
      ;;
    *)
      echo "test.sh: there is no part '$part'; there are release, asan, tsan, dev, onednn and arm64" >&2
      exit 2
      ;;
  esac
done
