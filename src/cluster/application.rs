//! The engine's application: it says which values exist and which are good, and carries out what is
//! decided.

use std::time::{Duration, Instant};

use arc_malachitebft_app_channel::app::consensus::MisbehaviorEvidence;
use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next, SyncedValueOutcome};
use arc_malachitebft_app_channel::app::streaming::{StreamContent, StreamId, StreamMessage};
use arc_malachitebft_app_channel::app::types::core::{
    CommitCertificate, Height as _, Round, Validator as _, Validity,
};
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use arc_malachitebft_app_channel::app::types::{LocallyProposedValue, ProposedValue};
use arc_malachitebft_app_channel::{AppMsg, Channels, NetworkMsg, NetworkRequest, Reply};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, info, warn};

use super::clock::system_time;
use super::config::Timeouts;
use super::control::{Request, Status};
use super::engine::{Address, Althing, Height, Part, Proposal, SharedSigner, ValueId, Verifying};
use super::mempool::Mempool;
use super::replica::{Replica, ReplicaError};
use super::value::Value;

/// Of how many coming heights, and how many of each proposer, values are kept until they can be
/// judged.
const MAX_AHEAD: u64 = 8;
const MAX_PER_PROPOSER: usize = 4;

/// How many values one node may propose in one round before its others are not looked at.
const MAX_PER_ROUND: usize = 4;

/// How often the application looks at what is due.
pub const TICK: Duration = Duration::from_millis(250);

/// How long the network may take to say who is connected.
const STATUS_PATIENCE: Duration = Duration::from_secs(2);

/// How often commands are looked at again that can't be decided yet, in ticks: what they depend on
/// may be the time.
const TICKS_PER_REVIEW: u64 = 8;

/// How long a node that peers claim to be ahead of waits before it looks again; doubled each time in
/// vain.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_secs(600);

/// A node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// It has caught up with what its key signed before, and can take part again.
    CaughtUp,
    /// The engine stopped.
    EngineStopped,
}

/// What the application is made of.
#[derive(Debug)]
pub struct Application {
    replica: Replica,
    me: Address,
    signer: Option<SharedSigner>,
    /// A node that only watches does so until this height comes next.
    watches_until: Option<u64>,
    timeouts: Timeouts,
    mempool: Mempool,
    /// Parts of heights that are not the next one yet.
    early: Vec<Part>,
    /// Which values were proposed at the next height, by whom, in which round.
    proposed: Vec<(Address, Round, ValueId)>,
    round: Round,
    /// Somebody proposes commands at the next height.
    is_called: bool,
    /// The engine waits for the next height.
    idle: Option<Reply<Next<Althing>>>,
    highest: watch::Receiver<u64>,
    look_at: Instant,
    look_after: Duration,
    /// The height that was decided last came from peers.
    is_syncing: bool,
    streams: u64,
    ticks: u64,
}

impl Application {
    /// The application of a node. Without a signer it only watches.
    #[must_use]
    pub fn new(
        replica: Replica,
        me: Address,
        signer: Option<SharedSigner>,
        watches_until: Option<u64>,
        timeouts: Timeouts,
        highest: watch::Receiver<u64>,
    ) -> Self {
        Self {
            replica,
            me,
            signer,
            watches_until,
            timeouts,
            mempool: Mempool::default(),
            early: Vec::new(),
            proposed: Vec::new(),
            round: Round::ZERO,
            is_called: false,
            idle: None,
            highest,
            look_at: Instant::now(),
            look_after: FIRST_LOOK,
            is_syncing: false,
            streams: 0,
            ticks: 0,
        }
    }

    /// Runs until asked to end.
    ///
    /// # Errors
    /// [`ReplicaError`] where the node can't go on.
    pub async fn run(
        &mut self,
        channels: &mut Channels<Althing>,
        requests: &mut mpsc::Receiver<Request>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, ReplicaError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Asked),
                message = channels.consensus.recv() => match message {
                    None => return Ok(Ended::EngineStopped),
                    Some(message) => self.handle(message, channels).await?,
                },
                Some(request) = requests.recv() => self.serve(request, channels).await,
                _ = ticks.tick() => self.tick(channels).await,
            }
            let height = self.replica.next_height().0;
            if self.watches_until.is_some_and(|until| height >= until) {
                return Ok(Ended::CaughtUp);
            }
            self.start_next();
        }
    }

    /// Answers one message of the engine's.
    async fn handle(
        &mut self,
        message: AppMsg<Althing>,
        channels: &Channels<Althing>,
    ) -> Result<(), ReplicaError> {
        // A reply fails only where the engine is about to end, which is noticed soon enough.
        match message {
            AppMsg::ConsensusReady { reply } => {
                let height = self.replica.next_height();
                info!(%height, "the engine is ready");
                let _ = reply.send((height, self.params()));
            }
            AppMsg::StartedRound {
                height,
                round,
                proposer,
                reply_value,
                ..
            } => {
                debug!(%height, %round, proposer = %proposer.0.short(), "round started");
                self.round = round;
                let values = self.known_values(height)?;
                let _ = reply_value.send(values);
            }
            AppMsg::GetValue {
                height,
                round,
                reply,
                ..
            } => self.propose(height, round, reply, channels).await?,
            AppMsg::ReceivedProposalPart { part, reply, .. } => {
                let value = match part.content {
                    StreamContent::Data(part) => self.receive(part)?,
                    StreamContent::Fin => None,
                };
                let _ = reply.send(value);
            }
            AppMsg::RestreamProposal {
                height,
                round,
                value_id,
                valid_round,
                ..
            } => {
                self.restream(height, round, valid_round, value_id, channels)
                    .await
            }
            AppMsg::Decided {
                certificate, reply, ..
            } => {
                self.decide(certificate)?;
                let _ = reply.send(());
            }
            AppMsg::Finalized {
                evidence, reply, ..
            } => {
                report(&evidence);
                self.idle = Some(reply);
                if self.is_syncing {
                    self.start_now();
                }
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let _ = reply.send(Height::INITIAL);
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let _ = reply.send(self.decided(range.start().0, range.end().0)?);
            }
            AppMsg::ProcessSyncedValue {
                height,
                round,
                proposer,
                value_bytes,
                reply,
            } => {
                let outcome = self.synced(height, round, proposer, &value_bytes)?;
                let _ = reply.send(outcome);
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions {
                extensions, reply, ..
            } => {
                let verdicts = extensions.into_iter().map(|(node, ())| (node, Ok(())));
                let _ = reply.send(verdicts.collect());
            }
        }
        Ok(())
    }

    fn params(&self) -> HeightParams<Althing> {
        HeightParams::new(self.replica.deciders(), self.timeouts.into(), None)
    }

    /// Lets the engine go on where there is something to decide, or to learn.
    fn start_next(&mut self) {
        if self.idle.is_none() {
            return;
        }
        let next = self.replica.next_height().0;
        let is_behind = *self.highest.borrow() >= next && Instant::now() >= self.look_at;
        if is_behind {
            // A peer that lies about how far it is must not keep everybody awake.
            self.look_after = (self.look_after * 2).min(LAST_LOOK);
            self.look_at = Instant::now() + self.look_after;
        }
        if is_behind || self.is_called || self.mempool.ready().next().is_some() {
            self.start_now();
        }
    }

    fn start_now(&mut self) {
        if let Some(reply) = self.idle.take() {
            let height = self.replica.next_height();
            debug!(%height, "starting the next height");
            let _ = reply.send(Next::Start(height, self.params()));
        }
    }

    /// The values of a height that this node knows, judged now.
    fn known_values(
        &mut self,
        height: Height,
    ) -> Result<Vec<ProposedValue<Althing>>, ReplicaError> {
        if height != self.replica.next_height() {
            return Ok(Vec::new());
        }
        let early = std::mem::take(&mut self.early);
        let (mut values, mut rest) = (Vec::new(), Vec::new());
        for part in early {
            if is_of(&part, height.0) {
                values.extend(self.receive(part)?);
            } else {
                rest.push(part);
            }
        }
        self.early.append(&mut rest);
        let kept: Vec<Value> = self.replica.undecided().iter().cloned().collect();
        for value in kept {
            let id = value.id();
            if values
                .iter()
                .any(|known: &ProposedValue<Althing>| known.value == id)
            {
                continue;
            }
            let proposer = *self
                .replica
                .deciders()
                .proposer(height, self.round)
                .address();
            values.push(self.judged(&value, self.round, Round::Nil, proposer));
        }
        Ok(values)
    }

    /// What this node thinks of a value.
    fn judged(
        &self,
        value: &Value,
        round: Round,
        valid_round: Round,
        proposer: Address,
    ) -> ProposedValue<Althing> {
        let current = self.round.as_u32().unwrap_or(0);
        let validity = match self.replica.judge(value, system_time(), current) {
            Ok(()) => Validity::Valid,
            Err(objection) => {
                warn!(
                    height = value.header().height,
                    value = %value.id(),
                    proposer = %proposer.0.short(),
                    code = objection.code(),
                    "voting against a value: {objection}"
                );
                Validity::Invalid
            }
        };
        ProposedValue {
            height: Height(value.header().height),
            round,
            valid_round,
            proposer,
            value: value.id(),
            validity,
        }
    }

    /// Proposes a value: the one that this node has proposed in this place, or a new one.
    async fn propose(
        &mut self,
        height: Height,
        round: Round,
        reply: Reply<LocallyProposedValue<Althing>>,
        channels: &Channels<Althing>,
    ) -> Result<(), ReplicaError> {
        let (Some(signer), true) = (self.signer.clone(), height == self.replica.next_height())
        else {
            return Ok(());
        };
        let before = signer.with(|signing| signing.proposed(height.0, round));
        let value = match before.and_then(|id| self.replica.undecided().get(&id).cloned()) {
            Some(value) => value,
            None => self.replica.build(&self.mempool, system_time())?,
        };
        self.replica.keep(value.clone())?;
        let proposal = Proposal {
            height,
            round,
            value: value.id(),
            pol_round: Round::Nil,
            proposer: self.me,
        };
        match signer.with(|signing| signing.proposal(&proposal)) {
            Ok(signature) => {
                info!(
                    %height, %round, commands = value.commands().len(), "proposing a value"
                );
                let part = Part::Value {
                    proposal,
                    signature,
                    bytes: value.bytes().to_vec().into(),
                };
                let _ = reply.send(LocallyProposedValue::new(height, round, value.id()));
                self.publish(part, channels).await;
            }
            // Another value was proposed here and is lost: the next proposer goes on.
            Err(problem) => error!(%height, %round, "not proposing: {problem}"),
        }
        Ok(())
    }

    /// Sends a value again on which others are locked.
    async fn restream(
        &mut self,
        height: Height,
        round: Round,
        valid_round: Round,
        id: ValueId,
        channels: &Channels<Althing>,
    ) {
        let (Some(signer), Some(value)) = (&self.signer, self.replica.undecided().get(&id)) else {
            return;
        };
        let proposal = Proposal {
            height,
            round,
            value: id,
            pol_round: valid_round,
            proposer: self.me,
        };
        let bytes = value.bytes().to_vec().into();
        match signer.with(|signing| signing.proposal(&proposal)) {
            Ok(signature) => {
                let part = Part::Value {
                    proposal,
                    signature,
                    bytes,
                };
                self.publish(part, channels).await;
            }
            Err(problem) => warn!(%height, %round, "not sending a value again: {problem}"),
        }
    }

    async fn publish(&mut self, part: Part, channels: &Channels<Althing>) {
        self.streams += 1;
        let stream = [
            self.me.0.digest().as_bytes().as_slice(),
            &self.streams.to_be_bytes(),
        ];
        let stream = StreamId::new(stream.concat().into());
        let message = StreamMessage::new(stream, 0, StreamContent::Data(part));
        // The engine is about to end where nobody takes it.
        let _ = (channels.network)
            .send(NetworkMsg::PublishProposalPart(message))
            .await;
    }

    /// Takes what another node sent. A value is given back once it is judged.
    fn receive(&mut self, part: Part) -> Result<Option<ProposedValue<Althing>>, ReplicaError> {
        match part {
            Part::Command(line) => {
                let replica = &self.replica;
                let is_ready = |command: &_| replica.foresee(command, system_time()).is_none();
                self.mempool.add_foreign(&line, is_ready, Instant::now());
                Ok(None)
            }
            Part::Value {
                proposal,
                signature,
                bytes,
            } => {
                let next = self.replica.next_height();
                let is_next = proposal.height == next && self.idle.is_none();
                if proposal.height < next {
                    return Ok(None);
                }
                let deciders = self.replica.deciders();
                let verifying = Verifying(self.replica.state().ledger());
                let is_turn = || {
                    let turn = deciders.proposer(proposal.height, proposal.round);
                    turn.address() == &proposal.proposer
                        && verifying.is_proposal_of(&proposal, &signature, turn.public_key())
                };
                // Who decides a later height is not known yet.
                if proposal.height == next && !is_turn() {
                    return Ok(None);
                }
                if !is_next {
                    self.keep_early(Part::Value {
                        proposal,
                        signature,
                        bytes,
                    });
                    return Ok(None);
                }
                self.receive_value(&proposal, &bytes)
            }
        }
    }

    fn keep_early(&mut self, part: Part) {
        let Part::Value { proposal, .. } = &part else {
            return;
        };
        let of_proposer = |known: &&Part| matches!(known, Part::Value { proposal: it, .. } if it.proposer == proposal.proposer);
        let next = self.replica.next_height();
        let is_near = proposal.height <= next.increment_by(MAX_AHEAD);
        let has_room = self.early.iter().filter(of_proposer).count() < MAX_PER_PROPOSER;
        let takes_part = self.replica.deciders().key_of(&proposal.proposer).is_some();
        if takes_part && is_near && has_room && !self.early.contains(&part) {
            self.is_called |= calls(&part, next);
            self.early.push(part);
        }
    }

    /// Judges a value that the proposer has signed for.
    fn receive_value(
        &mut self,
        proposal: &Proposal,
        bytes: &[u8],
    ) -> Result<Option<ProposedValue<Althing>>, ReplicaError> {
        let value = match Value::decode(bytes) {
            Ok(value) if value.id() == proposal.value => value,
            Ok(_) => return Ok(None),
            Err(problem) => {
                warn!(
                    proposer = %proposal.proposer.0.short(),
                    code = problem.code(),
                    "a proposer sent no value: {problem}"
                );
                return Ok(None);
            }
        };
        let place = (proposal.proposer, proposal.round, proposal.value);
        if !self.proposed.contains(&place) {
            let of_round = |it: &&(Address, Round, ValueId)| (it.0, it.1) == (place.0, place.1);
            if self.proposed.iter().filter(of_round).count() >= MAX_PER_ROUND {
                return Ok(None);
            }
            self.proposed.push(place);
        }
        let judged = self.judged(
            &value,
            proposal.round,
            proposal.pol_round,
            proposal.proposer,
        );
        if judged.validity.is_valid() {
            self.replica.keep(value)?;
        }
        Ok(Some(judged))
    }

    /// A value that peers have decided.
    fn synced(
        &mut self,
        height: Height,
        round: Round,
        proposer: Address,
        bytes: &[u8],
    ) -> Result<SyncedValueOutcome<Althing>, ReplicaError> {
        if height != self.replica.next_height() {
            return Ok(SyncedValueOutcome::LocalTransientError);
        }
        let Ok(value) = Value::decode(bytes) else {
            return Ok(SyncedValueOutcome::PeerFault);
        };
        if let Err(objection) = self.replica.judge_decided(&value) {
            warn!(%height, code = objection.code(), "a peer sent a bad decision: {objection}");
            return Ok(SyncedValueOutcome::PeerFault);
        }
        let judged = ProposedValue {
            height,
            round,
            valid_round: Round::Nil,
            proposer,
            value: value.id(),
            validity: Validity::Valid,
        };
        self.replica.keep(value)?;
        self.is_syncing = true;
        Ok(SyncedValueOutcome::Verdict(judged))
    }

    /// Carries out a decision.
    fn decide(&mut self, certificate: CommitCertificate<Althing>) -> Result<(), ReplicaError> {
        if certificate.height < self.replica.next_height() {
            return Ok(());
        }
        let height = certificate.height;
        let outcomes = self.replica.decide(certificate.into())?;
        info!(
            %height, commands = outcomes.len(), head = %self.replica.head(), "decided"
        );
        for (name, outcome) in &outcomes {
            self.mempool.settle(name, outcome);
        }
        self.proposed.clear();
        self.round = Round::ZERO;
        let is_early =
            |part: &Part| matches!(part, Part::Value { proposal, .. } if proposal.height > height);
        self.early.retain(is_early);
        let next = self.replica.next_height();
        self.is_called = self.early.iter().any(|part| calls(part, next));
        if *self.highest.borrow() <= height.0 {
            self.is_syncing = false;
            self.look_after = FIRST_LOOK;
        }
        self.review();
        self.follow_key();
        Ok(())
    }

    /// Looks at every command that waits again.
    fn review(&mut self) {
        let (replica, now) = (&self.replica, system_time());
        let foresee = |command: &_| replica.foresee(command, now);
        self.mempool.review(Instant::now(), foresee);
    }

    /// Signs with the key that the registry holds for this node by now.
    fn follow_key(&self) {
        let registered = self.replica.state().registry().get(self.me.0);
        if let (Some(signer), Some(node)) = (&self.signer, registered) {
            signer.with(|signing| signing.follow(node.key()));
        }
    }

    fn decided(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<RawDecidedValue<Althing>>, ReplicaError> {
        let mut values = Vec::new();
        for height in first..=last {
            let Some(decision) = self.replica.decision(height)? else {
                break;
            };
            let bytes = decision.value.into_bytes().into();
            values.push(RawDecidedValue::new(bytes, decision.certificate.into()));
        }
        Ok(values)
    }

    /// What is due.
    async fn tick(&mut self, channels: &Channels<Althing>) {
        for line in self.mempool.to_send_again(Instant::now()) {
            self.publish(Part::Command(line), channels).await;
        }
        self.ticks += 1;
        let is_due = self.ticks.is_multiple_of(TICKS_PER_REVIEW);
        if is_due && self.mempool.ready().count() < self.mempool.count() {
            self.review();
        }
    }

    /// Answers a client.
    async fn serve(&mut self, request: Request, channels: &Channels<Althing>) {
        match request {
            Request::Submit {
                command,
                line,
                client,
            } => {
                if let Some(outcome) = self.replica.foresee(&command, system_time()) {
                    let _ = client.send(outcome);
                    return;
                }
                let command = *command;
                match self
                    .mempool
                    .add_own(command, line.clone(), client, Instant::now())
                {
                    Ok(true) => self.publish(Part::Command(line.into()), channels).await,
                    Ok(false) => {}
                    // Its client sees that the answer does not come.
                    Err(full) => warn!("{full}"),
                }
            }
            Request::Status(client) => {
                let _ = client.send(self.status(channels).await);
            }
        }
    }

    async fn status(&self, channels: &Channels<Althing>) -> Status {
        let dump = NetworkRequest::dump_state(&channels.net_requests);
        let peers = tokio::time::timeout(STATUS_PATIENCE, dump).await;
        let peers = peers.ok().and_then(Result::ok).flatten();
        let peers = peers.map_or(0, |dump| dump.peers.len());
        let height = self.replica.next_height().0 - 1;
        let deciders = self.replica.deciders();
        let state = self.replica.state();
        Status {
            entries: state.entries(),
            head: self.replica.head().hash,
            height,
            is_idle: self.idle.is_some(),
            is_validator: self.signer.is_some() && deciders.key_of(&self.me).is_some(),
            lag: self.highest.borrow().saturating_sub(height),
            ledger: state.ledger(),
            node: self.me.0,
            peers,
            round: self.round.as_u32().unwrap_or(0),
            state_hash: state.hash(),
            validators: deciders.len(),
            waiting: self.mempool.count(),
            weight: deciders.weight_of(&self.me),
            weight_of_all: deciders.total(),
        }
    }
}

fn is_of(part: &Part, height: u64) -> bool {
    matches!(part, Part::Value { proposal, .. } if proposal.height.0 == height)
}

/// Whether a part proposes commands at a height. An empty value is no reason to start one.
fn calls(part: &Part, height: Height) -> bool {
    let Part::Value { bytes, .. } = part else {
        return false;
    };
    is_of(part, height.0) && Value::decode(bytes).is_ok_and(|value| !value.commands().is_empty())
}

/// Says who contradicted itself.
fn report(evidence: &MisbehaviorEvidence<Althing>) {
    for (node, votes) in evidence.votes.iter() {
        warn!(node = %node, pairs = votes.len(), "a node signed contradicting votes");
    }
    for (node, proposals) in evidence.proposals.iter() {
        warn!(node = %node, pairs = proposals.len(), "a node signed contradicting proposals");
    }
}

/// A client's end of an answer.
pub type Answer<T> = oneshot::Sender<T>;
