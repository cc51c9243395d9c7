#!/bin/sh
# fetch_abseil.sh [FOLDER]: puts Abseil's source into FOLDER (build/abseil-src), ready for
# HADAL_ABSEIL_SOURCE. It is Debian 12's version, so that developers and the release build the same.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../build/abseil-src}
archive=abseil_20220623.1.orig.tar.gz
hash=abfe2897f3a30edaa74bc34365afe3c2a3cd012091a97dc7e008f7016adcd5fe

[ ! -e "$folder/.complete" ] || exit 0
mkdir -p "$folder.download"
[ -e "$folder.download/$archive" ] || sh "$here/debian_source.sh" "$folder.download" bookworm abseil
echo "$hash  $folder.download/$archive" | sha256sum --check --quiet
rm -rf "$folder"
mkdir -p "$folder"
tar xf "$folder.download/$archive" -C "$folder" --strip-components=1

# A name of our own for Abseil's inline namespace: a host that brings an Abseil of the same version
# and links hadal statically must not find two things under one name.
sed -i 's/\(define ABSL_OPTION_USE_INLINE_NAMESPACE\) .*/\1 1/
        s/\(define ABSL_OPTION_INLINE_NAMESPACE_NAME\) .*/\1 hadal_0/' "$folder/absl/base/options.h"
grep -q 'INLINE_NAMESPACE_NAME hadal_0' "$folder/absl/base/options.h"
touch "$folder/.complete"
