#!/usr/bin/env bash
# A cluster of four nodes on this machine: they decide, one is killed and comes back, a fifth is admitted
# by vote and decides. Node 4 turns out to be Byzantine: it runs twice with one key, says one thing as the
# one and another as the other, and is convicted by what it signed. In the end all honest nodes have the
# same ledger, which anybody can check.
# Needs jq, and the program built with `cargo build --features cluster`.
set -euo pipefail
cd "$(dirname "$0")/.."

althing=${ALTHING:-target/debug/althing}
dir=$(mktemp -d)
port=${PORT:-26000}
declare -A pid

cleanup() {
    kill "${pid[@]}" 2>/dev/null || true
    wait
    rm -rf "$dir"
}
trap cleanup EXIT

say() { printf '\n=== %s\n' "$*"; }
run() { "$althing" --no-snapshot --state "$dir/state" "$@"; }
status() { run --json cluster status "$dir/node$1" 2>/dev/null; }

start() {
    "$althing" cluster run "$dir/node$1" 2>>"$dir/node$1.log" &
    pid[$1]=$!
    until status "$1" >/dev/null; do sleep 0.2; done
}

# as NODE COMMAND…: signs as a node and orders the statement through it.
as() {
    local node=$1
    shift
    run "$@" --as "node$node" --ledger "$dir/node$node" --keys "$dir/node$node/keys" --out - |
        run cluster submit "$dir/node$node" -
}

proposal() {
    run --json proposal list --ledger "$dir/node$1" --status voting | jq -r '.proposals[-1].proposal_id'
}

# decide PROPOSER VOTERS COMMAND…
decide() {
    local proposer=$1 voters=$2
    shift 2
    as "$proposer" propose "$@"
    local id
    id=$(proposal "$proposer")
    for voter in $voters; do
        until run proposal show "$id" --ledger "$dir/node$voter" >/dev/null 2>&1; do sleep 0.2; done
        as "$voter" vote "$id" approve
    done
}

# agree NODES…: waits until they have the same head.
agree() {
    until [ "$(for node in "$@"; do status "$node" | jq -r '.head'; done | sort -u | wc -l)" = 1 ]; do
        sleep 0.2
    done
}

say "four nodes are founded and started"
run cluster init --nodes 4 --port "$port" --name demo "$dir"
for node in 1 2 3 4; do start $node; done

say "they authorize a model"
decide 1 "2 3 4" authorize-model did:example:triage --title Triage

say "node 4 is killed; the others go on without it"
kill -9 "${pid[4]}"
wait "${pid[4]}" 2>/dev/null || true
decide 1 "1 2 3" authorize-agent did:example:scheduler --title Scheduler

say "node 4 comes back and catches up"
start 4
agree 1 2 3 4

say "a fifth node follows the ledger, and is admitted by vote"
run cluster join "$dir/node5" --like "$dir/node1" --listen "127.0.0.1:$((port + 4))"
start 5
decide 1 "2 3 4" add-node node5 --file "$dir/node5/keys/node5.pub.json" --param weight=1 --title Newcomer
agree 1 2 3 4 5

say "node 1 is stopped: the newcomer's vote is needed now"
kill "${pid[1]}"
wait "${pid[1]}"
decide 5 "2 3 4 5" authorize-model did:example:dosage --title Dosage
start 1
agree 1 2 3 4 5

say "node 4 runs twice with one key"
cp -r "$dir/node4" "$dir/node4-twin"
rm -r "$dir/node4-twin/keys/transport.key" "$dir/node4-twin/node.sock"
sed -i "s/^listen = .*/listen = \"127.0.0.1:$((port + 5))\"/" "$dir/node4-twin/cluster.toml"
start 4-twin
agent=0
until run --json evidence list --ledger "$dir/node1" | jq -e '.evidence | length > 0' >/dev/null; do
    # Each half proposes and votes as if it were alone, whenever it is its turn.
    agent=$((agent + 1))
    as $((agent % 3 + 1)) propose authorize-agent "did:example:agent-$agent" --title "Agent $agent" >/dev/null
done
agree 1 2 3 5
run evidence show node4 --ledger "$dir/node1"
kill -9 "${pid[4]}" "${pid[4-twin]}"
wait "${pid[4]}" "${pid[4-twin]}" 2>/dev/null || true
unset 'pid[4]' 'pid[4-twin]'

say "its weight counts no more; the others decide without it"
decide 1 "1 2 3" authorize-model did:example:sepsis --title Sepsis
agree 1 2 3 5

say "all honest nodes have the same ledger, and nobody else was accused"
run --json evidence list --ledger "$dir/node5" | jq -e '.evidence | map(.name) == ["node4"]' >/dev/null
for node in 1 2 3 5; do
    status $node | jq -c '{height, head, state_hash, is_validator}'
    run cluster verify "$dir/node$node" >/dev/null
    cmp "$dir/node1/ledger/00000000000000000001.jsonl" "$dir/node$node/ledger/00000000000000000001.jsonl"
done
say "every certificate, every rule and every byte checked"
