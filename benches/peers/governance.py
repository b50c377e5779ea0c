"""`pqc-ai-governance`: rounds of one proposal, 20 ballots and the decision, in memory.

    governance.py ROUNDS [--ml-dsa]

Prints one line of JSON. With `--ml-dsa` it signs real ML-DSA-65 (see ml_dsa/oqs.py); as installed it
signs Ed25519 and labels it ML-DSA-65.
"""

import json
import sys
import time
import warnings
from pathlib import Path

VOTERS = 20


def main():
    rounds = int(sys.argv[1])
    warnings.simplefilter("ignore")
    if "--ml-dsa" in sys.argv:
        sys.path.insert(0, str(Path(__file__).resolve().parent / "ml_dsa"))
    from pqc_ai_governance import (ConsensusRound, GovernanceNode, GovernanceProposal, NodeRegistry,
                                   ProposalKind, VoteDecision)
    from quantumshield.core.keys import get_backend
    from quantumshield.identity.agent import AgentIdentity

    nodes = [GovernanceNode(AgentIdentity.create(f"node-{n}"), f"node-{n}") for n in range(VOTERS)]
    registry = NodeRegistry()
    for node in nodes:
        registry.register(node)
    seconds = []
    for number in range(rounds):
        start = time.perf_counter()
        proposal = nodes[0].sign_proposal(GovernanceProposal.create(
            kind=ProposalKind.AUTHORIZE_MODEL, subject_id=f"did:example:{number}",
            title="Triage", proposer_did=nodes[0].did))
        consensus = ConsensusRound(proposal, registry)
        for node in nodes:
            consensus.cast(node.cast_vote(proposal, VoteDecision.APPROVE))
        if consensus.finalize(nodes[0]).decision != "passed":
            raise SystemExit("not passed")
        seconds.append(time.perf_counter() - start)
    key = nodes[0].identity.signing_keypair.public_key
    print(json.dumps({"ballots": VOTERS, "seconds": seconds, "backend": get_backend(),
                      "public_key_bytes": len(key)}))


if __name__ == "__main__":
    main()
