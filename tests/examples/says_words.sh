#!/bin/sh
# Runs a program and wants it to succeed, to say at least four words, and to complain of nothing.
# Usage: says_words.sh PROGRAM ARGUMENT...
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$@" > "$folder/out" 2> "$folder/err" || { cat "$folder/out" "$folder/err"; exit 1; }
cat "$folder/out"
[ ! -s "$folder/err" ] || { cat "$folder/err"; exit 1; }
[ "$(wc -w < "$folder/out")" -ge 4 ]
