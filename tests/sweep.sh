#!/bin/sh
# The exhaustive forms of the sweeps over hostile files, which ctest runs in part: every length and
# every bit of every toy's header. Minutes, or an hour under the sanitizers.
#   sh tests/sweep.sh BUILD_FOLDER
set -eu
build=${1:?usage: sh tests/sweep.sh BUILD_FOLDER}
HADAL_SWEEP=all exec "$build/tests/checkpoint_test" --gtest_filter='*Sweep*'
