//! Refusals: why the rules don't let a command happen. Every one has a stable code.

use super::delegation::DelegationError;
use super::digest::Digest;
use super::id::{GrantId, NodeId, ProposalId, VoteId};
use super::policy::PolicyError;
use super::time::Timestamp;

/// Whose business a refusal is, which decides the exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// The rules say no.
    Rules,
    /// The right person would have been allowed.
    Authority,
    /// A signature does not verify.
    Signature,
    /// The writer's clock is wrong.
    Clock,
}

/// Defines [`Rejection`] with code, message, category and hint of each variant in one place.
macro_rules! rejections {
    ($(
        $(#[$doc:meta])*
        $variant:ident $({ $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })?
            = $code:literal, $category:ident, $message:literal, hint $hint:expr;
    )*) => {
        /// Why a command was refused. Nothing was recorded.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            $(
                $(#[$doc])*
                #[error($message)]
                $variant $({ $($(#[$field_doc])* $field: $type),* })?,
            )*
        }

        /// The codes of all refusals, in the order of the specification.
        pub const REJECTION_CODES: &[&str] = &[$($code),*];

        impl Rejection {
            /// The stable code.
            #[must_use]
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$variant $({ $($field: _),* })? => $code,)*
                }
            }

            /// Whose business the refusal is.
            #[must_use]
            pub const fn category(&self) -> Category {
                match self {
                    $(Self::$variant $({ $($field: _),* })? => Category::$category,)*
                }
            }

            /// What the user can do about it.
            #[must_use]
            pub const fn hint(&self) -> Option<&'static str> {
                match self {
                    $(Self::$variant $({ $($field: _),* })? => $hint,)*
                }
            }
        }
    };
}

rejections! {
    /// The writer's time lies before the last entry's.
    ClockBehindHead {
        /// The last entry's timestamp.
        head: Timestamp,
        /// The time given.
        found: Timestamp,
    } = "clock.behind-head", Clock,
        "the time {found} lies before the last entry's, {head}",
        hint Some("time never runs backwards in a ledger: leave out --now, or give a later instant");

    /// A founding statement without founders.
    NoFounders = "genesis.no-founders", Rules, "a ledger needs at least one founder", hint None;
    /// A founder is named twice.
    DuplicateFounder {
        /// The node.
        node: NodeId,
    } = "genesis.duplicate-founder", Rules, "the founder {node}, or its name, appears twice", hint None;
    /// The number of signatures is not that of the founders.
    FoundersIncomplete {
        /// The founders of the statement.
        expected: usize,
        /// Signatures given.
        found: usize,
    } = "genesis.founders-incomplete", Rules,
        "every founder must sign: expected {expected} signatures, found {found}",
        hint Some("collect the missing signatures with: althing genesis sign FILE --as NAME");
    /// A founder's key does not hash to its id.
    FounderKeyMismatch {
        /// The node.
        node: NodeId,
    } = "genesis.key-mismatch", Rules, "the key given for {node} is not the key of that id", hint None;
    /// A founder's signature does not verify.
    FounderSignature {
        /// The node.
        node: NodeId,
    } = "genesis.signature", Signature,
        "the signature of {node} under the founding statement does not verify",
        hint Some("each founder signs the very bytes of the statement, after which they can't change");
    /// More nodes than one ledger may have.
    TooManyNodes = "node.too-many", Rules, "a ledger has at most 10000 nodes", hint None;
    /// A total weight above 2^53 − 1.
    WeightOverflow = "weight.overflow", Rules,
        "the total weight would exceed 9007199254740991", hint None;
    /// A policy that can't stand.
    PolicyInvalid {
        /// Why not.
        error: PolicyError,
    } = "policy.invalid", Rules, "the policy can't stand: {error}",
        hint Some("`althing policy template` prints a policy that can");

    /// The statement names another ledger.
    WrongLedger = "statement.wrong-ledger", Rules,
        "the statement was signed for another ledger", hint None;
    /// The node is not in the registry.
    UnknownNode {
        /// The node.
        node: NodeId,
    } = "node.unknown", Rules, "{node} is not a node of this ledger",
        hint Some("`althing node list` shows the registry");
    /// The node is suspended or removed.
    NodeNotActive {
        /// The node.
        node: NodeId,
    } = "node.not-active", Rules, "{node} is suspended or removed and can't propose", hint None;
    /// The signature is not the registered key's.
    SignatureInvalid {
        /// The node that the statement claims to come from.
        node: NodeId,
    } = "signature.invalid", Signature,
        "the signature does not verify under the registered key of {node}",
        hint Some("the statement was changed after signing, or another key signed it");

    /// A proposal with this id exists.
    DuplicateProposal {
        /// The id.
        proposal: ProposalId,
    } = "proposal.duplicate-id", Rules, "a proposal with the id {proposal} exists already", hint None;
    /// Free-form parameters above 64 KiB.
    ParametersTooLarge {
        /// Their size in bytes.
        found: usize,
    } = "proposal.parameters-too-large", Rules,
        "expected at most 65536 bytes of parameters, found {found}", hint None;
    /// The proposer has too many undecided proposals.
    TooManyOpenProposals {
        /// How many the policy allows.
        max: u64,
    } = "proposal.too-many-open", Rules,
        "the proposer has {max} open proposals already, which is as many as the policy allows",
        hint Some("wait until one of them is decided; a withdrawn one counts until its deadline");
    /// The grant would be over before it could be given.
    ExpiryInPast {
        /// The expiry asked for.
        expires_at: Timestamp,
    } = "grant.expiry-in-past", Rules, "the expiry {expires_at} is not in the future", hint None;
    /// The grant would never hold.
    EmptyPeriod = "grant.empty-period", Rules, "the expiry must lie after not-before", hint None;
    /// The subject has as many grants as one may have.
    TooManyGrants = "grant.too-many", Rules,
        "the subject has 1000 grants of that kind already, which is as many as one may have",
        hint Some("revoke some of them, those whose time is over among them");
    /// The node is or was registered.
    AlreadyRegistered {
        /// The node.
        node: NodeId,
    } = "node.already-registered", Rules, "{node} is, or once was, a node of this ledger",
        hint Some("a node that was removed comes back with a new key and a new id");
    /// The key is or was a node's.
    KeyUsed = "node.key-used", Rules, "this key is, or once was, another node's", hint None;
    /// Another node has the name.
    NameTaken = "node.name-taken", Rules, "another node of this ledger has that name", hint None;
    /// The key does not hash to the id.
    NodeIdMismatch {
        /// The id claimed.
        node: NodeId,
    } = "node.id-mismatch", Rules, "{node} is not the id of the given key", hint None;
    /// Nobody showed that the key's secret exists.
    NoPossession {
        /// The node.
        node: NodeId,
    } = "node.no-possession", Signature,
        "the proof that {node} holds its key does not verify",
        hint Some("use the file that `althing key export NAME --public` writes, unchanged");
    /// The node is not suspended.
    NodeNotSuspended {
        /// The node.
        node: NodeId,
    } = "node.not-suspended", Rules, "{node} is not suspended", hint None;
    /// The node does not take part.
    NodeHasNoVote {
        /// The node.
        node: NodeId,
    } = "node.has-no-vote", Rules, "{node} is suspended or removed: its key can't be replaced",
        hint Some("a suspended node comes back with a new key by reinstate-node");
    /// The end of a freeze is not in the future.
    FreezeEndInPast {
        /// The end asked for.
        until: Timestamp,
    } = "freeze.end-in-past", Rules, "the end {until} of the freeze is not in the future", hint None;
    /// A freeze longer than the policy allows.
    FreezeTooLong {
        /// The latest end that the policy allows.
        latest: Timestamp,
    } = "freeze.too-long", Rules, "the policy allows a freeze until {latest} at most",
        hint Some("a freeze ends by itself; propose another one if it is still needed then");
    /// Nothing to lift.
    NotFrozen = "freeze.not-frozen", Rules, "no freeze of exactly that target is on", hint None;
    /// A part of a grant that can't be passed on.
    Delegation {
        /// Why not.
        error: DelegationError,
    } = "delegation.invalid", Rules, "the grant can't be passed on like that: {error}", hint None;
    /// No active node would be left.
    LastActiveNode = "node.last-active", Rules, "the last active node can't be removed", hint None;

    /// A ballot for a proposal that does not exist.
    BallotUnknownProposal {
        /// The id.
        proposal: ProposalId,
    } = "ballot.unknown-proposal", Rules, "there is no proposal {proposal}",
        hint Some("`althing proposal list` shows them");
    /// A ballot for another history.
    BallotHashMismatch = "ballot.hash-mismatch", Rules,
        "the ballot names another proposal hash: it was signed for a different history", hint None;
    /// The voter is not among those who may vote on this proposal.
    NotInElectorate {
        /// The voter.
        voter: NodeId,
    } = "ballot.not-in-electorate", Rules,
        "{voter} is not in the proposal's electorate, which was frozen when it was opened",
        hint Some("nodes that joined since vote on later proposals");
    /// The ballot's signature is not the registered key's.
    BallotSignature {
        /// The claimed voter.
        voter: NodeId,
    } = "ballot.signature", Signature,
        "the ballot's signature does not verify under the registered key of {voter}",
        hint Some("only the voter's own key counts, never one that a ballot carries");
    /// The voter contradicted itself, and the evidence is recorded already.
    BallotEquivocation {
        /// The voter.
        voter: NodeId,
    } = "ballot.equivocation", Rules,
        "{voter} contradicted itself on this proposal; the evidence is recorded already", hint None;
    /// The voter is suspended.
    BallotSuspended {
        /// The voter.
        voter: NodeId,
    } = "ballot.suspended", Rules, "{voter} is suspended", hint None;
    /// The voter was removed since the proposal was opened.
    BallotNodeRemoved {
        /// The voter.
        voter: NodeId,
    } = "ballot.node-removed", Rules,
        "{voter} was removed, or got another key, since the proposal was opened", hint None;
    /// The proposal is decided.
    BallotProposalClosed {
        /// The proposal.
        proposal: ProposalId,
    } = "ballot.proposal-closed", Rules, "proposal {proposal} is no longer open for ballots", hint None;
    /// The entry would lie outside the voting period.
    BallotOutsidePeriod {
        /// The first instant at which no ballot is taken.
        deadline: Timestamp,
    } = "ballot.outside-voting-period", Rules, "ballots were taken until {deadline}",
        hint Some("`althing close PROPOSAL` judges it now");
    /// The ballot says that it was cast after the deadline.
    BallotCastLate {
        /// When it says it was cast.
        cast_at: Timestamp,
    } = "ballot.cast-after-deadline", Rules,
        "the ballot was cast at {cast_at}, which is not before the deadline", hint None;
    /// The voter used the vote id before.
    VoteIdReused {
        /// The id.
        vote: VoteId,
    } = "ballot.vote-id-reused", Rules, "the voter has used the vote id {vote} before", hint None;

    /// No such proposal.
    UnknownProposal {
        /// The id.
        proposal: ProposalId,
    } = "proposal.unknown", Rules, "there is no proposal {proposal}",
        hint Some("`althing proposal list` shows them");
    /// The proposal is decided or withdrawn.
    ProposalClosed {
        /// The proposal.
        proposal: ProposalId,
    } = "proposal.closed", Rules, "proposal {proposal} is no longer in voting", hint None;
    /// Only the proposer may withdraw.
    NotProposer = "withdraw.not-proposer", Authority, "only the proposer may withdraw a proposal",
        hint None;
    /// A withdrawal for another history.
    WithdrawHashMismatch = "withdraw.hash-mismatch", Rules,
        "the withdrawal names another proposal hash: it was signed for a different history",
        hint None;
    /// Somebody else voted already.
    WithdrawAfterBallot = "withdraw.ballots-cast", Rules,
        "another node has voted: the proposal can't be withdrawn any more", hint None;
    /// The deadline has passed.
    WithdrawAfterDeadline = "withdraw.after-deadline", Rules,
        "the deadline has passed: the proposal can only be closed", hint None;
    /// The deadline is yet to come.
    CloseBeforeDeadline {
        /// The deadline.
        deadline: Timestamp,
    } = "close.before-deadline", Rules, "voting is open until {deadline}",
        hint Some("a proposal is decided earlier as soon as no ballot can change the outcome");
    /// The decision does not wait for execution.
    ExecuteNotQueued {
        /// The proposal.
        proposal: ProposalId,
    } = "execute.not-queued", Rules,
        "proposal {proposal} is not waiting to be executed", hint None;
    /// The subject is frozen.
    ExecuteFrozen = "execute.frozen", Rules,
        "the subject is frozen: nothing is granted until the freeze ends",
        hint Some("the time to execute it stretches by as long as the freeze lasts");
    /// The timelock is running.
    ExecuteBeforeTimelock {
        /// When it ends.
        eta: Timestamp,
    } = "execute.before-timelock", Rules, "the timelock runs until {eta}", hint None;

    /// The two ballots, checkpoints or messages of consensus don't contradict each other.
    NotContradictory = "evidence.not-contradictory", Rules,
        "the two statements are not one node's that contradict each other: decisions on one proposal, \
         checkpoints of one ledger, or what it said at one place of consensus", hint None;
    /// The ballots are for another history.
    EvidenceHashMismatch = "evidence.hash-mismatch", Rules,
        "the ballots name another proposal hash: they were signed for a different history", hint None;
    /// The accused could not vote on that proposal.
    EvidenceNotInElectorate {
        /// The accused.
        voter: NodeId,
    } = "evidence.not-in-electorate", Rules, "{voter} is not in the proposal's electorate", hint None;
    /// One of the signatures is not the accused's.
    EvidenceSignature {
        /// The accused.
        voter: NodeId,
    } = "evidence.signature", Signature,
        "a signature in the evidence does not verify under a key that {voter} held", hint None;
    /// Too long ago.
    EvidenceWindowOver {
        /// When the window closed.
        until: Timestamp,
    } = "evidence.window-over", Rules, "evidence on this proposal was accepted until {until}", hint None;

    /// The policy takes no predictions without a grant.
    PredictionUnauthorized = "prediction.unauthorized", Rules,
        "the model has no grant in force, and the policy refuses such predictions", hint None;
    /// A duration above 2^53 − 1.
    DurationTooLong = "prediction.duration", Rules,
        "a duration is at most 9007199254740991 milliseconds", hint None;
    /// A checkpoint behind other entries of its batch.
    CheckpointPlace = "checkpoint.place", Rules,
        "a checkpoint is the first entry of its batch: those before it have no hash yet", hint None;
    /// The history leads to another state.
    CheckpointStateHash {
        /// The hash of the state.
        expected: Digest,
        /// The hash claimed.
        found: Digest,
    } = "checkpoint.state-hash", Rules,
        "the state before this entry has the hash {expected}, not {found}", hint None;
    /// The history leads to another registry.
    CheckpointRegistryHash {
        /// The hash of the registry.
        expected: Digest,
        /// The hash claimed.
        found: Digest,
    } = "checkpoint.registry-hash", Rules,
        "the registry before this entry has the hash {expected}, not {found}", hint None;
    /// Other grants are live.
    CheckpointGrantsRoot {
        /// The root over the live grants.
        expected: Digest,
        /// The root claimed.
        found: Digest,
    } = "checkpoint.grants-root", Rules,
        "the live grants are others: their root is {expected}, the one claimed {found}", hint None;
    /// No such grant.
    UnknownGrant {
        /// The id.
        grant: GrantId,
    } = "grant.unknown", Rules, "there is no grant {grant}",
        hint Some("`althing authorization list` shows them");
    /// The grant is another subject's, or of another kind.
    GrantOfAnother {
        /// The id.
        grant: GrantId,
    } = "grant.of-another", Rules, "the grant {grant} is not one of that subject and kind", hint None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_well_formed() {
        let mut codes = REJECTION_CODES.to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), REJECTION_CODES.len());
        for code in codes {
            let (area, rest) = code.split_once('.').expect(code);
            for part in [area, rest] {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
                assert!(!part.is_empty() && part.bytes().all(plain), "{code}");
            }
        }
    }
}
