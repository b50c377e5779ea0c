//! The engine's application: it says which values exist and which are good, and carries out what is
//! decided.

mod accusing;
mod clients;
mod proposing;
mod receiving;

use std::time::{Duration, Instant};

use arc_malachitebft_app_channel::app::engine::host::{HeightParams, Next};
use arc_malachitebft_app_channel::app::engine::util::events::Event;
use arc_malachitebft_app_channel::app::streaming::StreamContent;
use arc_malachitebft_app_channel::app::types::core::{CommitCertificate, Height as _, Round};
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use arc_malachitebft_app_channel::{AppMsg, Channels, Reply};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info};

use crate::clock::system_time;
use crate::cluster::config::Timeouts;
use crate::cluster::control::Request;
use crate::cluster::engine::{
    Address, Althing, Heard, Height, Part, SharedSigner, ValueId, message,
};
use crate::cluster::mempool::Mempool;
use crate::cluster::replica::{Replica, ReplicaError};
use crate::cluster::watch::Watch;
use crate::governance::consensus::ConsensusEquivocation;

/// How often the application looks at what is due.
pub const TICK: Duration = Duration::from_millis(250);

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
    watch: Watch,
    /// What was found and is not accused yet, and what others have not heard yet.
    to_accuse: Vec<ConsensusEquivocation>,
    to_pass_on: Vec<Heard>,
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
            watch: Watch::default(),
            to_accuse: Vec::new(),
            to_pass_on: Vec::new(),
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
        let mut events = channels.events.subscribe();
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Asked),
                message = channels.consensus.recv() => match message {
                    None => return Ok(Ended::EngineStopped),
                    Some(message) => self.handle(message, channels).await?,
                },
                event = events.recv() => match event {
                    Ok(Event::Received(said)) => self.overhear(&said),
                    // What was missed others have heard; the engine compares for itself, too.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(Ended::EngineStopped),
                },
                Some(request) = requests.recv() => self.serve(request, channels).await,
                _ = ticks.tick() => self.tick(channels).await,
            }
            self.speak_up(channels).await;
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
                let values = self.early_values(height)?;
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
                let ledger = self.replica.state().ledger();
                (self.to_accuse).extend(message::equivocations(ledger, &evidence));
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

    /// Carries out a decision.
    fn decide(&mut self, certificate: CommitCertificate<Althing>) -> Result<(), ReplicaError> {
        if certificate.height < self.replica.next_height() {
            return Ok(());
        }
        let height = certificate.height;
        let round = certificate.round.as_u32().unwrap_or(0);
        let value = certificate.value_id.0;
        let outcomes = self.replica.decide(certificate.into())?;
        info!(
            %height, commands = outcomes.len(), head = %self.replica.head(), "decided"
        );
        for (name, outcome) in &outcomes {
            self.mempool.settle(name, outcome);
        }
        let against = self.watch.decide(height.0, round, value);
        self.to_pass_on.extend(against);
        self.proposed.clear();
        self.round = Round::ZERO;
        let is_early =
            |part: &Part| matches!(part, Part::Value { proposal, .. } if proposal.height > height);
        self.early.retain(is_early);
        let next = self.replica.next_height();
        self.is_called = self.early.iter().any(|part| receiving::calls(part, next));
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
}
