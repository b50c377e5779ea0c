#!/usr/bin/env python3
"""Rounds per second on one core: Althing's simulator beside pqc-ai-governance 0.1.0.

    cargo build --release
    pip install pqc-ai-governance==0.1.0
    python3 benches/rounds.py target/release/althing

A round is one signed proposal and the signed ballots of five nodes, counted and decided. The Python
package keeps one tally in memory. The simulator lets each of five nodes decide every command on a
ledger of its own, over a simulated network, and checks every step.
"""

import os
import subprocess
import sys
import tempfile
import time

ROUNDS = 400

SCENARIO = """
name = "five honest nodes"
rounds = 4
[[nodes]]
name = "node"
count = 5
[[proposals]]
kind = "authorize-model"
"""


def althing(program, signatures):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(SCENARIO)
        file.flush()
        command = [program, "--quiet", "simulate", "run", file.name]
        command += ["--runs", str(ROUNDS // 4), "--signatures", signatures]
        one_core = {**os.environ, "RAYON_NUM_THREADS": "1"}
        start = time.process_time(), os.times().children_user + os.times().children_system
        subprocess.run(command, check=True, env=one_core, stdout=subprocess.DEVNULL)
        spent = os.times().children_user + os.times().children_system - start[1]
    return ROUNDS / spent


def python_package():
    from pqc_ai_governance import (ConsensusRound, GovernanceNode, GovernanceProposal,
                                   NodeRegistry, ProposalKind, VoteDecision)
    from quantumshield.identity.agent import AgentIdentity

    nodes = [GovernanceNode(AgentIdentity.create(f"node-{n}"), f"node-{n}") for n in range(5)]
    registry = NodeRegistry()
    for node in nodes:
        registry.register(node)
    start = time.process_time()
    for number in range(ROUNDS):
        proposal = nodes[0].sign_proposal(GovernanceProposal.create(
            kind=ProposalKind.AUTHORIZE_MODEL, subject_id=f"did:example:{number}",
            title="a model", proposer_did=nodes[0].did))
        consensus = ConsensusRound(proposal, registry)
        for node in nodes:
            consensus.cast(node.cast_vote(proposal, VoteDecision.APPROVE))
        assert consensus.finalize(nodes[0]).decision == "passed"
    spent = time.process_time() - start
    key = nodes[0].identity.signing_keypair
    return ROUNDS / spent, f"labelled {key.algorithm.value}, public key of {len(key.public_key)} bytes"


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "target/release/althing"
    for signatures in ["stand-in", "ml-dsa"]:
        rate = althing(program, signatures)
        print(f"althing simulate, {signatures}: {rate:.0f} rounds/s of processor time on one core")
    try:
        rate, key = python_package()
        print(f"pqc-ai-governance 0.1.0, {key}: {rate:.0f} rounds/s")
    except ImportError as error:
        print(f"pqc-ai-governance 0.1.0 is not installed: {error}")


if __name__ == "__main__":
    main()
