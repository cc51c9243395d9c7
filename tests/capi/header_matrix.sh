#!/bin/sh
# Compiles hadal.h, twice included, by every compiler here in every language version, without a
# warning; and hadal.hpp in those it is for. Usage: header_matrix.sh INCLUDE_FOLDER
set -eu
include=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '#include <hadal/hadal.h>\n#include <hadal/hadal.h>\nstatic int use(void) { return HADAL_OK; }\nint main(void) { return use(); }\n' > "$folder/c.c"
cp "$folder/c.c" "$folder/c.cpp"
printf '#include <hadal/hadal.hpp>\n#include <hadal/hadal.hpp>\nint main() { hadal::Config config; return config ? 1 : 0; }\n' > "$folder/hpp.cpp"

n=0
compile() { # COMPILER STANDARD FILE FLAGS...
  compiler=$1; standard=$2; file=$3; shift 3
  "$compiler" "-std=$standard" -Wall -Wextra -Wpedantic -Werror -Wpadded "$@" -I"$include" \
    -fsyntax-only "$folder/$file" || { echo "failed: $compiler -std=$standard $* $file"; exit 1; }
  n=$((n + 1))
}
for cc in gcc clang-14; do
  command -v $cc > /dev/null || continue
  # c89 has neither <stdint.h>'s long long nor // comments; the header needs only the former.
  for standard in c89 gnu89 c99 c11 c17 c2x gnu2x; do
    compile $cc $standard c.c -Wno-long-long
    compile $cc $standard c.c -Wno-long-long -fshort-enums
  done
done
for cxx in g++ clang++-14; do
  command -v $cxx > /dev/null || continue
  for standard in c++98 c++03 c++11 c++14 c++17 c++20 c++2b; do
    compile $cxx $standard c.cpp -Wno-long-long
  done
  for standard in c++17 c++20 c++2b; do
    compile $cxx $standard hpp.cpp -Wno-padded
    compile $cxx $standard hpp.cpp -Wno-padded -fno-exceptions -fno-rtti
    compile $cxx $standard hpp.cpp -Wno-padded -DHADAL_NO_EXCEPTIONS
  done
done
[ $n -gt 0 ] || { echo 'no compiler was found'; exit 1; }
echo "$n compilations without a warning"
