#!/bin/sh
# Installs the build into a folder, moves that folder, and builds examples/consumer against it, with
# find_package and with pkg-config. Usage: consumer_test.sh BUILD SOURCE LIBDIR
set -eu
build=$1
source=$2
libdir=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --prefix "$folder/first" > "$folder/log" || { cat "$folder/log"; exit 1; }
mv "$folder/first" "$folder/moved"
prefix=$folder/moved

cmake -G Ninja -S "$source/examples/consumer" -B "$folder/build" -DCMAKE_PREFIX_PATH="$prefix" > "$folder/log" &&
  cmake --build "$folder/build" >> "$folder/log" || { cat "$folder/log"; exit 1; }
"$folder/build/consumer"

command -v pkg-config > /dev/null || { echo 'pkg-config is missing' >&2; exit 1; }
export PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig"
[ "$(pkg-config --modversion hadal)" = 0.1.0 ]
# shellcheck disable=SC2046 # words are wanted
cc "$source/examples/consumer/consumer.c" $(pkg-config --cflags --libs hadal) \
  -Wl,-rpath,"$prefix/$libdir" -o "$folder/with_pkg_config"
"$folder/with_pkg_config"

# Nothing but the interface is installed.
(cd "$prefix" && find include -type f | sort) > "$folder/headers"
printf 'include/hadal/hadal.h\ninclude/hadal/hadal.hpp\n' | diff - "$folder/headers"
