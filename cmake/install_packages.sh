#!/bin/sh
# install_packages.sh PACKAGE...: installs those Debian packages that are missing, by sudo if need be.
set -eu
missing=
for package; do
  dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' ||
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get > /dev/null; then
  echo "This script installs packages on Debian only. Here, please install what corresponds to:" >&2
  echo " $missing" >&2
  exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo > /dev/null || {
    echo "Missing:$missing. As root: apt-get install$missing" >&2
    exit 1
  }
  as_root=sudo
fi
echo "installing$missing" >&2
$as_root apt-get update -qq
# shellcheck disable=SC2086 # words are wanted
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
  > /dev/null
