#!/bin/sh
# aarch64_packages.sh FOLDER: unpacks Debian's packages of 64-bit ARM that the tests need into FOLDER.
# Needs no root and changes nothing outside FOLDER: apt gets lists and a cache of its own there, and
# checks the archive's signature and every hash as usual; this machine stays one of its own kind only.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
[ ! -e "$1/.complete" ] || exit 0
rm -rf "$1"
mkdir -p "$1/.apt/lists/partial" "$1/.apt/archives/partial"
folder=$(cd "$1" && pwd)

own_apt() {
  apt-get -qq -o APT::Architectures::="$(dpkg --print-architecture)" -o APT::Architectures::=arm64 \
    -o Dir::State::Lists="$folder/.apt/lists" -o Dir::Cache="$folder/.apt" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none "$@"
}
cd "$folder/.apt/archives"
own_apt update
own_apt download libabsl-dev:arm64 libabsl20220623:arm64 libgtest-dev:arm64 libgmock-dev:arm64 \
  libbenchmark-dev:arm64 libbenchmark1debian:arm64 libeigen3-dev nlohmann-json3-dev
for package in *.deb; do
  dpkg -x "$package" "$folder"
done
rm -rf "$folder/.apt"
touch "$folder/.complete"
