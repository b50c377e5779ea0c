#!/bin/sh
# Checks the hash, the number and the link of every line of a ledger with GNU coreutils and jq.
# usage: sh verify.sh LEDGER/ledger/*.jsonl
set -eu
damaged() { echo "damaged: $1" >&2; exit 10; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat "$@" > "$dir/ledger"
jq -r .entry_hash "$dir/ledger" > "$dir/stated" || damaged "a line is no JSON"
jq -r .prev_hash "$dir/ledger" > "$dir/links"
jq -r .seq "$dir/ledger" > "$dir/numbers"
# A file for each line, without its last 82 bytes: the stated hash and the line feed.
split -l 1 -a 6 "$dir/ledger" "$dir/line."
find "$dir" -name 'line.*' -exec truncate -s -82 {} +
find "$dir" -name 'line.*' | sort | xargs sha256sum | cut -c 1-64 > "$dir/hashes"
lines=$(wc -l < "$dir/ledger")
{ printf '%064d\n' 0; head -n -1 "$dir/hashes"; } > "$dir/previous"
cmp "$dir/hashes" "$dir/stated" >&2 || damaged "a line does not have the hash that it states"
cmp "$dir/previous" "$dir/links" >&2 || damaged "a line does not follow the one before"
seq "$lines" | cmp - "$dir/numbers" >&2 || damaged "a line has another number than its place"
echo "$lines lines, head $(tail -n 1 "$dir/hashes")"
