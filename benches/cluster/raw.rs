//! The engine alone: the same nodes, keys, messages and signatures, and an application that agrees with
//! everything, carries nothing out and keeps nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use althing::cluster::config::Config;
use althing::cluster::engine::{
    Address, Althing, Engine, EngineConfig, Height, Part, Proposal, ValidatorSet, ValueId,
    Verifying, Vote, Wire, message, start,
};
use althing::cluster::replica::Replica;
use althing::cluster::run::{KEY_DIR, TRANSPORT};
use althing::governance::digest::Digest;
use althing::governance::id::LedgerId;
use althing::identity::{SigningKey, secret};
use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::core::{
    Height as _, Round, SignedMessage, Validator as _, ValidatorProof, Validity, VoteExtensionScope,
};
use arc_malachitebft_app_channel::app::types::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_app_channel::{AppMsg, Channels, NetworkMsg};
use arc_malachitebft_signing::{Error, Signer};
use async_trait::async_trait;

use crate::{Outcome, cpu_seconds, key_of};

/// A signer without a journal: it would sign twice.
#[derive(Clone)]
struct Bare {
    ledger: LedgerId,
    key: Arc<SigningKey>,
}

impl Bare {
    fn proposal(&self, proposal: &Proposal) -> Result<althing::governance::key::Signature, Error> {
        let message = message::of_proposal(self.ledger, proposal);
        self.key.sign_message(&message).map_err(Error::from_source)
    }
}

#[async_trait]
impl Signer<Althing> for Bare {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Althing, Vote>, Error> {
        let message = message::of_vote(self.ledger, &vote);
        let signature = self
            .key
            .sign_message(&message)
            .map_err(Error::from_source)?;
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Althing, Proposal>, Error> {
        let signature = self.proposal(&proposal)?;
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Althing>,
        (): (),
    ) -> Result<SignedMessage<Althing, ()>, Error> {
        Err(Error::from_source(std::fmt::Error))
    }

    async fn sign_validator_proof(
        &self,
        _: Vec<u8>,
        _: Vec<u8>,
    ) -> Result<ValidatorProof<Althing>, Error> {
        Err(Error::from_source(std::fmt::Error))
    }
}

struct Raw {
    me: Address,
    signer: Bare,
    params: HeightParams<Althing>,
    deciders: ValidatorSet,
    payload: usize,
    next: Height,
    sent: u64,
}

/// Runs a node for so many seconds, with values of `payload` bytes; prints how many heights it decided in
/// the second half of them, and the processor time that they took, in seconds.
pub fn run(dir: &Path, payload: usize, seconds: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let (heights, cpu) = runtime.block_on(node(dir, payload, Duration::from_secs(seconds)))?;
    println!("{heights} {cpu}");
    // The engine's threads end with the process.
    std::process::exit(0);
}

async fn node(dir: &Path, payload: usize, time: Duration) -> Outcome<(u64, f64)> {
    let config = Config::read(dir)?;
    let deciders = Replica::open(dir, &config)?.deciders();
    let signer = Bare {
        ledger: config.ledger,
        key: Arc::new(key_of(dir)?),
    };
    std::fs::create_dir_all(dir.join("wal"))?;
    let (mut channels, _handle) = start(Engine {
        node: config.node,
        ledger: config.ledger,
        config: EngineConfig::new(&config)?,
        transport: secret::existing_or_new(&dir.join(KEY_DIR), TRANSPORT)?,
        wal: dir.join("wal/consensus.wal"),
        signer: Some(Box::new(signer.clone())),
        wire: Wire::default(),
    })
    .await?;
    let mut raw = Raw {
        me: Address(config.node),
        signer,
        params: HeightParams::new(deciders.clone(), config.timeouts.into(), None),
        deciders,
        payload,
        next: Height::INITIAL,
        sent: 0,
    };
    let start = Instant::now();
    let (half, end) = (time / 2, tokio::time::Instant::now() + time);
    let mut at_half = None;
    while let Ok(Some(message)) = tokio::time::timeout_at(end, channels.consensus.recv()).await {
        raw.handle(message, &channels).await?;
        if at_half.is_none() && start.elapsed() >= half {
            at_half = Some((raw.next.0, own_cpu()?));
        }
    }
    let (heights, cpu) = at_half.ok_or("nothing was heard")?;
    Ok((raw.next.0 - heights, own_cpu()? - cpu))
}

fn own_cpu() -> Outcome<f64> {
    cpu_seconds(std::process::id())
}

impl Raw {
    async fn handle(&mut self, message: AppMsg<Althing>, channels: &Channels<Althing>) -> Outcome {
        match message {
            AppMsg::ConsensusReady { reply } => {
                let _ = reply.send((self.next, self.params.clone()));
            }
            AppMsg::StartedRound { reply_value, .. } => {
                let _ = reply_value.send(Vec::new());
            }
            AppMsg::GetValue {
                height,
                round,
                reply,
                ..
            } => {
                let mut bytes = vec![0; self.payload];
                bytes[..8].copy_from_slice(&height.0.to_be_bytes());
                let value = ValueId(Digest::of(&bytes));
                let _ = reply.send(LocallyProposedValue::new(height, round, value));
                self.publish((height, round), value, bytes, channels)
                    .await?;
            }
            AppMsg::ReceivedProposalPart { part, reply, .. } => {
                let value = match part.content {
                    StreamContent::Data(part) => self.agreed(part),
                    StreamContent::Fin => None,
                };
                let _ = reply.send(value);
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => {
                self.next = certificate.height.increment_by(1);
                let _ = reply.send(());
            }
            AppMsg::Finalized { reply, .. } => {
                let _ = reply.send(Next::Start(self.next, self.params.clone()));
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let _ = reply.send(Height::INITIAL);
            }
            AppMsg::GetDecidedValues { reply, .. } => {
                let _ = reply.send(Vec::new());
            }
            AppMsg::ProcessSyncedValue { reply, .. } => {
                let _ = reply.send(SyncedValueOutcome::LocalTransientError);
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions { reply, .. } => {
                let _ = reply.send(Default::default());
            }
            AppMsg::RestreamProposal { .. } => {}
        }
        Ok(())
    }

    /// Every value of whoever's turn it is.
    fn agreed(&self, part: Part) -> Option<ProposedValue<Althing>> {
        let Part::Value {
            proposal,
            signature,
            ..
        } = part
        else {
            return None;
        };
        let turn = self.deciders.proposer(proposal.height, proposal.round);
        let (address, key) = (turn.address(), turn.public_key());
        let is_turn = *address == proposal.proposer;
        let verifying = Verifying(self.signer.ledger);
        (is_turn && verifying.is_proposal_of(&proposal, &signature, key)).then_some(ProposedValue {
            height: proposal.height,
            round: proposal.round,
            valid_round: proposal.pol_round,
            proposer: proposal.proposer,
            value: proposal.value,
            validity: Validity::Valid,
        })
    }

    async fn publish(
        &mut self,
        (height, round): (Height, Round),
        value: ValueId,
        bytes: Vec<u8>,
        channels: &Channels<Althing>,
    ) -> Outcome {
        let proposal = Proposal {
            height,
            round,
            value,
            pol_round: Round::Nil,
            proposer: self.me,
        };
        let signature = self.signer.proposal(&proposal)?;
        let part = Part::Value {
            proposal,
            signature,
            bytes: bytes.into(),
        };
        self.sent += 1;
        let stream = [
            self.me.0.digest().as_bytes().as_slice(),
            &self.sent.to_be_bytes(),
        ];
        let stream = StreamId::new(stream.concat().into());
        let message = StreamMessage::new(stream, 0, StreamContent::Data(part));
        channels
            .network
            .send(NetworkMsg::PublishProposalPart(message))
            .await
            .map_err(|_| "the engine ended")?;
        Ok(())
    }
}
