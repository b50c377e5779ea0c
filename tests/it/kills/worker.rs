//! What a process does until it is killed: it records predictions, proposes, votes and closes, as a
//! governance node with a key of its own.

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use althing::governance::ballot::{Ballot, Decision};
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::{Event, Recorded};
use althing::governance::id::{ProposalId, VoteId};
use althing::governance::prediction::OutputSummary;
use althing::governance::proposal::Proposal;
use althing::governance::rejection::Rejection;
use althing::governance::state::State;
use althing::governance::state::proposal::ProposalState;
use althing::governance::time::{Seconds, Timestamp};
use althing::ledger::Wait;
use althing::ledger::storage::Storage;
use althing::node::shared::SubmitError;
use althing::node::snapshots::{SnapshotPolicy, Snapshots};
use althing::node::{Node, SharedNode};
use althing::state_dir::StateDir;
use althing::testing::{Signatures, Signer, StandInVerifier, actions, prediction};
use uuid::Uuid;

use super::watched::{Half, Watched, WatchedLedger, options};
use althing::ledger::FileLedger;

const DIR: &str = "ALTHING_TEST_KILLS_DIR";
const NAME: &str = "ALTHING_TEST_KILLS_NAME";
const SLOT: &str = "ALTHING_TEST_KILLS_SLOT";
const LARGE: &str = "ALTHING_TEST_KILLS_LARGE";
const HALF: &str = "ALTHING_TEST_KILLS_HALF";

/// The ways to work, one for each node.
pub const KINDS: [&str; 4] = ["large", "single", "threads", "bulk"];
/// How many predictions a bulk writer records at once.
const BULK: usize = 400;
/// How many proposals a node has open at a time.
const OPEN: usize = 3;

/// What a process is started for.
pub struct Job {
    pub dir: PathBuf,
    pub name: String,
    /// The number of the node, and of the way in which it works.
    pub slot: usize,
    /// How many large predictions are in one write.
    pub large: usize,
    pub half: Half,
}

impl Job {
    /// The job as variables of the environment.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            (DIR, self.dir.to_str().unwrap().to_owned()),
            (NAME, self.name.clone()),
            (SLOT, self.slot.to_string()),
            (LARGE, self.large.to_string()),
            (HALF, format!("{}/{}", self.half.0, self.half.1)),
        ]
    }

    fn given() -> Self {
        let given = |name| env::var(name).expect("started by the other test");
        let half = given(HALF);
        let (batch, thousandths) = half.split_once('/').unwrap();
        Self {
            dir: given(DIR).into(),
            name: given(NAME),
            slot: given(SLOT).parse().unwrap(),
            large: given(LARGE).parse().unwrap(),
            half: (batch.parse().unwrap(), thousandths.parse().unwrap()),
        }
    }

    /// Where the process notes what it does.
    pub fn note(&self) -> PathBuf {
        self.dir.join(format!("{}.note", self.name))
    }
}

pub fn snapshots<S: Storage + Clone>(storage: S, dir: &Path) -> Snapshots<S> {
    let policy = SnapshotPolicy {
        entries_between: 200,
        entries_at_close: 1,
    };
    let state = StateDir::new(dir.join("state"));
    Snapshots::on(storage, &dir.join("ledger"), state).with_policy(policy)
}

pub fn open<S: Storage + Clone>(storage: S, dir: &Path, wait: Wait) -> Node<FileLedger<S>> {
    let opened = snapshots(storage, dir).open_node_with(options(wait), Box::new(StandInVerifier));
    let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", error.code()));
    assert!(opened.ignored.is_empty(), "{:?}", opened.ignored);
    opened.value
}

pub fn start() -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap()
}

pub fn numbered(name: &str, number: usize) -> Command {
    let mut prediction = prediction("triage");
    prediction.request_id = Some(format!("{name}/{number}").parse().unwrap());
    Command::RecordPrediction(prediction)
}

/// What is acknowledged of an entry: its hash, its operation, and the id of a proposal or ballot.
pub fn described(hash: &Digest, event: &Event) -> String {
    let id = match event {
        Event::ProposalCreated(created) => created.statement.content().proposal_id.to_string(),
        Event::VoteCast(ballot) => ballot.content().vote_id.to_string(),
        Event::ConsensusReached(consensus) => consensus.proposal_id.to_string(),
        _ => "-".to_owned(),
    };
    format!("{hash} {} {id}", event.operation())
}

/// Says what was acknowledged, a line each, in one write.
fn say(recorded: &[Recorded]) {
    let line = |entry: &Recorded| {
        let described = described(&entry.hash, &entry.event);
        format!("\nacknowledged {} {described}\n", entry.seq)
    };
    let lines: String = recorded.iter().map(line).collect();
    io::stdout().lock().write_all(lines.as_bytes()).unwrap();
}

/// Works until it is killed.
pub fn work() {
    let job = Job::given();
    let disk = Watched::new(&job.note(), job.half);
    let wait = Wait::For(Duration::from_secs(60));
    let node = open(disk.clone(), &job.dir, wait);
    disk.is_at_work();
    let voter = Voter::new(&job);
    match KINDS[job.slot] {
        "single" => in_turns(&job, &disk, node, voter, wait, 1),
        "threads" => in_turns(&job, &disk, node, voter, wait, 3),
        "bulk" => in_bulk(&job, node, voter, wait, BULK, numbered),
        _ => in_bulk(&job, node, voter, wait, job.large, large),
    }
}

fn in_turns(
    job: &Job,
    disk: &Watched,
    node: Node<WatchedLedger>,
    mut voter: Voter,
    wait: Wait,
    threads: usize,
) {
    let shared = SharedNode::in_turns(node, wait);
    thread::scope(|scope| {
        for thread in 1..threads {
            let shared = shared.clone();
            let name = format!("{}-{thread}", job.name);
            scope.spawn(move || {
                for number in 0.. {
                    say(&shared.submit(numbered(&name, number), start()).unwrap());
                }
            });
        }
        for number in 0.. {
            let (command, now) = shared.look(|node| voter.next(node.state())).unwrap();
            match command.map_or(Ok(Vec::new()), |command| shared.submit(command, now)) {
                Ok(recorded) => say(&recorded),
                Err(SubmitError::Refused(rejection)) => assert_overtaken(&rejection),
                Err(other) => panic!("{}: {other}", other.code()),
            }
            if number % 4 == 0 {
                let predicted = numbered(&job.name, number / 4);
                say(&shared.submit(predicted, now).unwrap());
            }
            let taken = shared.look(|node| snapshots(disk.clone(), &job.dir).take_if_due(node));
            // Another process may be taking the same one.
            drop(taken.unwrap());
        }
    });
}

fn in_bulk(
    job: &Job,
    mut node: Node<WatchedLedger>,
    mut voter: Voter,
    wait: Wait,
    count: usize,
    predicted: fn(&str, usize) -> Command,
) {
    let mut number = 0;
    loop {
        node.resume(wait).unwrap();
        let (command, now) = voter.next(node.state());
        let commands = (number..number + count).map(|number| predicted(&job.name, number));
        // The state is the ledger's, so that nothing is refused.
        let commands: Vec<Command> = commands.chain(command).collect();
        say(&node.submit_all(&commands, now).unwrap());
        node.release();
        number += count;
        thread::sleep(Duration::from_millis(20));
    }
}

/// A prediction of some 70 KiB, as long as its parts may be.
fn large(name: &str, number: usize) -> Command {
    let Command::RecordPrediction(mut prediction) = numbered(name, number) else {
        unreachable!("it is one");
    };
    let figures: Vec<String> = (0..OutputSummary::MAX_FIGURES)
        .map(|figure| format!("\"{figure:0>200}\":0.{number:0>60}"))
        .collect();
    let summary = format!("{{{}}}", figures.join(","));
    prediction.output_summary = serde_json::from_str(&summary).unwrap();
    for key in 0..64 {
        let value = "x".repeat(256);
        (prediction.context.set(&format!("key_{key}"), &value)).unwrap();
    }
    Command::RecordPrediction(prediction)
}

/// A governance node that takes part in whatever is open.
struct Voter {
    signer: Signer,
    name: String,
    is_verbose: bool,
    made: u64,
}

impl Voter {
    fn new(job: &Job) -> Self {
        Self {
            signer: Signer::nth(Signatures::StandIn, job.slot),
            name: job.name.clone(),
            is_verbose: KINDS[job.slot] == "large",
            made: 0,
        }
    }

    /// An id that nobody had before.
    fn id(&mut self) -> Uuid {
        self.made += 1;
        let digest = Digest::of(format!("{} {}", self.name, self.made).as_bytes());
        Uuid::from_slice(&digest.as_bytes()[..16]).unwrap()
    }

    /// Closes what is due, votes on what is open, or proposes; and when that is: time passes.
    fn next(&mut self, state: &State) -> (Option<Command>, Timestamp) {
        let now = state.clock().saturating_add(Seconds::new(4).unwrap());
        (self.command(state, now), now)
    }

    fn command(&mut self, state: &State, now: Timestamp) -> Option<Command> {
        let me = self.signer.node();
        for proposal in state.proposals().undecided() {
            if proposal.deadline() <= now {
                return Some(Command::Close(proposal.id()));
            }
            let has_voted = (proposal.member(me)).is_some_and(|it| it.ballot().is_some());
            if let Some(decision) = answer_to(proposal.id()).filter(|_| !has_voted) {
                return Some(self.vote(state, proposal, decision, now));
            }
        }
        let has_room = state.proposals().open_of(me, now) < OPEN;
        has_room.then(|| self.propose(state, now))
    }

    fn vote(
        &mut self,
        state: &State,
        proposal: &ProposalState,
        decision: Decision,
        now: Timestamp,
    ) -> Command {
        let ballot = Ballot {
            cast_at: now,
            decision,
            ledger: state.ledger(),
            proposal_hash: *proposal.hash(),
            proposal_id: proposal.id(),
            rationale: self.prose(),
            vote_id: VoteId::from_uuid(self.id()),
            voter: self.signer.node(),
        };
        Command::Vote(self.signer.sign(ballot))
    }

    fn propose(&mut self, state: &State, now: Timestamp) -> Command {
        let id = self.id();
        let proposal = Proposal {
            action: actions::authorize_model(&id.to_string()),
            created_at: now,
            description: self.prose(),
            ledger: state.ledger(),
            parameters: serde_json::Map::new(),
            proposal_id: ProposalId::from_uuid(id),
            proposer: self.signer.node(),
            title: "Let it run".parse().unwrap(),
        };
        Command::Propose(self.signer.sign(proposal))
    }

    /// Nothing, or as much as may be said.
    fn prose(&self) -> althing::governance::label::Prose {
        let bytes = if self.is_verbose { 16 << 10 } else { 0 };
        "x".repeat(bytes).parse().unwrap()
    }
}

/// What all nodes think of a proposal: of every third nothing, so that it has to be closed.
fn answer_to(proposal: ProposalId) -> Option<Decision> {
    match proposal.as_uuid().as_bytes()[15] % 3 {
        0 => None,
        1 => Some(Decision::Approve),
        _ => Some(Decision::Reject),
    }
}

/// Between a look at the state and the write, another process may have done it.
fn assert_overtaken(rejection: &Rejection) {
    let code = rejection.code();
    assert!(
        matches!(
            rejection,
            Rejection::BallotProposalClosed { .. }
                | Rejection::BallotOutsidePeriod { .. }
                | Rejection::BallotCastLate { .. }
                | Rejection::ProposalClosed { .. }
                | Rejection::TooManyOpenProposals { .. }
        ),
        "{code}: {rejection}"
    );
}
