//! What the engine agrees on, in our terms: values are named by their hash, validators by their node
//! id, and voting power is the registry's weight.

use std::fmt;

use arc_malachitebft_app_channel::app::types::core::{
    self as core, LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType, VotingPower,
};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::governance::consensus::{ConsensusPlace, SignedChoice};
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::{PublicKey, Signature};
use crate::governance::state::State;

/// A height of the cluster, from 1. One value is decided at each.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// What a value is called in votes: the hash of its bytes. The engine never handles more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub Digest);

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Value for ValueId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

/// A validator: a node of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub NodeId);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Address for Address {}

/// A node that takes part, with the key and the weight that the registry gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator {
    address: Address,
    key: PublicKey,
    weight: u64,
}

impl core::Validator<Althing> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> VotingPower {
        self.weight
    }
}

/// The active nodes of a registry, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorSet {
    validators: Vec<Validator>,
    total: u64,
}

impl ValidatorSet {
    /// Who decides the height after `state`.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let mut validators: Vec<Validator> = state
            .registry()
            .active()
            .map(|(id, node)| Validator {
                address: Address(id),
                key: node.key().clone(),
                weight: node.weight().get(),
            })
            .collect();
        validators.sort_by_key(|validator| validator.address);
        Self {
            total: state.registry().active_weight().get(),
            validators,
        }
    }

    /// The key of a node, if it takes part.
    #[must_use]
    pub fn key_of(&self, address: &Address) -> Option<&PublicKey> {
        self.find(address).map(|validator| &validator.key)
    }

    /// The weight of a node; 0 where it does not take part.
    #[must_use]
    pub fn weight_of(&self, address: &Address) -> u64 {
        self.find(address).map_or(0, |validator| validator.weight)
    }

    /// The weight of all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Whether there is nobody. A ledger always has an active node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// Whose turn it is to propose: one after the other, in the order of the ids.
    ///
    /// # Panics
    /// Where there is nobody, which no ledger allows.
    #[must_use]
    pub fn proposer(&self, height: Height, round: Round) -> &Validator {
        let round = u64::from(round.as_u32().unwrap_or(0));
        let turn = height.0.saturating_add(round) % (self.validators.len().max(1) as u64);
        &self.validators[usize::try_from(turn).unwrap_or(0)]
    }

    fn find(&self, address: &Address) -> Option<&Validator> {
        let found = (self.validators).binary_search_by_key(address, |validator| validator.address);
        found.ok().and_then(|index| self.validators.get(index))
    }
}

impl core::ValidatorSet<Althing> for ValidatorSet {
    fn count(&self) -> usize {
        self.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.total
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.find(address)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.validators.get(index)
    }
}

/// A vote for a value, or for none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// What it is for.
    pub value: NilOrVal<ValueId>,
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Whose it claims to be.
    pub voter: Address,
}

impl core::Vote<Althing> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<ValueId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<ValueId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.voter
    }

    // Votes are not extended.
    fn extension(&self) -> Option<&SignedExtension<Althing>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Althing>> {
        None
    }

    fn extend(self, _: SignedExtension<Althing>) -> Self {
        self
    }
}

/// That a node proposes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The height.
    pub height: Height,
    /// The round.
    pub round: Round,
    /// The value.
    pub value: ValueId,
    /// The round in which more than two thirds were for it already, or none.
    pub pol_round: Round,
    /// Whose it claims to be.
    pub proposer: Address,
}

impl core::Proposal<Althing> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &ValueId {
        &self.value
    }

    fn take_value(self) -> ValueId {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// What a node said, as others keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Where.
    pub place: ConsensusPlace,
    /// What, with its signature.
    pub said: SignedChoice,
}

/// What travels beside the votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The bytes of a proposed value, with the proposal that names it. The signature is the
    /// proposer's, so that nobody else can fill a node's memory with values.
    Value {
        /// Who proposes it, where.
        proposal: Proposal,
        /// The proposer's signature under the proposal.
        signature: Signature,
        /// The value.
        bytes: Box<[u8]>,
    },
    /// A command on its way to whoever proposes next.
    Command(Box<str>),
    /// What another node said against a decision, passed on.
    Heard(Box<Heard>),
}

/// Each message holds all of what it carries.
impl core::ProposalPart<Althing> for Part {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// The signatures of the engine's messages: those of the registry's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme;

/// A signature or key of the engine's messages does not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an ML-DSA signature")]
pub struct DecodeError;

impl core::SigningScheme for Scheme {
    type DecodingError = DecodeError;
    type Signature = Signature;
    type PublicKey = PublicKey;
    // The engine never sees one: it asks the signer.
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, DecodeError> {
        Signature::new(bytes).map_err(|_| DecodeError)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.as_bytes().to_vec()
    }

    // Keys come from the registry alone.
    fn decode_public_key(_: &[u8]) -> Result<PublicKey, DecodeError> {
        Err(DecodeError)
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}

/// What the engine is made for here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Althing;

impl core::Context for Althing {
    type Address = Address;
    type Height = Height;
    type ProposalPart = Part;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = LinearTimeouts;
    type Value = ValueId;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Scheme;

    fn select_proposer<'a>(
        &self,
        validator_set: &'a ValidatorSet,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        validator_set.proposer(height, round)
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: ValueId,
        pol_round: Round,
        proposer: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            pol_round,
            proposer,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<ValueId>,
        voter: Address,
    ) -> Vote {
        vote(VoteType::Prevote, height, round, value, voter)
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<ValueId>,
        voter: Address,
    ) -> Vote {
        vote(VoteType::Precommit, height, round, value, voter)
    }
}

fn vote(
    kind: VoteType,
    height: Height,
    round: Round,
    value: NilOrVal<ValueId>,
    voter: Address,
) -> Vote {
    Vote {
        height,
        round,
        value,
        kind,
        voter,
    }
}
