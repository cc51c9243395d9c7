#!/bin/sh
# debian_source.sh FOLDER SUITE PACKAGE: downloads a source package of Debian into FOLDER.
# Needs no root and changes nothing outside FOLDER: apt gets lists and a cache of its own there, and
# checks the archive's signature and every hash as usual. Where apt knows a mirror, that one is used.
set -eu
[ $# -eq 3 ] || { echo "usage: $0 FOLDER SUITE PACKAGE" >&2; exit 2; }
suite=$2
package=$3
mkdir -p "$1/.apt/sources" "$1/.apt/lists/partial" "$1/.apt/archives/partial"
folder=$(cd "$1" && pwd)

# The first mirror of the machine's own configuration, in either of its two notations.
mirror=$(
  cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2> /dev/null |
    awk '$1 == "URIs:" { print $2; exit }
         $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z+]+:/) { print $i; exit } }'
)
[ -n "$mirror" ] || { echo "$0: apt has no mirror of Debian configured" >&2; exit 1; }

cat > "$folder/.apt/sources/source.sources" << END
Types: deb-src
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END

own_apt() {
  apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$folder/.apt/sources" \
    -o Dir::State::Lists="$folder/.apt/lists" -o Dir::Cache="$folder/.apt" \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none "$@"
}
cd "$folder"
own_apt update
own_apt source --download-only "$package"
