#!/bin/sh
# Follows one entry of a receipt to the root of its checkpoint with GNU coreutils and jq.
# usage: sh receipt-entry.sh RECEIPT NUMBER     the NUMBERth entry of the receipt, from 1
set -eu
damaged() { echo "damaged: $1" >&2; exit 10; }
sha256() { printf %s "$1" | tr a-f A-F | basenc --base16 -d | sha256sum | cut -c 1-64; }  # Of hex.
entry=$(jq -c ".entries[$2 - 1]" "$1")
hash=$(printf %s "$entry" | jq -j .line | head -c -81 | sha256sum | cut -c 1-64)
seq=$(printf %s "$entry" | jq -r '.line | fromjson | .seq')
[ "$hash" = "$(printf %s "$entry" | jq -r '.line | fromjson | .entry_hash')" ] ||
    damaged "the line does not have the hash that it states"
index=$((seq - 1))
last=$(($(jq -r .checkpoint "$1" | sed -n 2p) - 1))
root=$(jq -r .checkpoint "$1" | sed -n 3p | base64 -d | od -An -v -tx1 | tr -d ' \n')
node=$(sha256 "00$hash")
for other in $(printf %s "$entry" | jq -r '.path[]'); do
    [ "$last" -gt 0 ] || damaged "the path is too long"
    if [ $((index % 2)) = 1 ] || [ "$index" = "$last" ]; then
        node=$(sha256 "01$other$node")
        while [ $((index % 2)) = 0 ] && [ "$index" -gt 0 ]; do
            index=$((index / 2)) last=$((last / 2))
        done
    else
        node=$(sha256 "01$node$other")
    fi
    index=$((index / 2)) last=$((last / 2))
done
[ "$last" = 0 ] && [ "$node" = "$root" ] || damaged "the path does not lead to the checkpoint's root"
echo "entry $seq, hash $hash, under root $root"
