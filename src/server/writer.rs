//! The one thread that has the node.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::Program;
use super::entry_keys::{EntryKeys, Known, digest};
use super::health::{Failures, Health};
use super::metrics::Metrics;
use super::published::Published;
use crate::clock::system_time;
use crate::governance::command::Command;
use crate::governance::event::{Event, Recorded};
use crate::ledger::{Entries, FileLedger, Wait};
use crate::node::{Node, NodeError, Request, When};

/// How often the writer looks for what other processes wrote, while nobody asks it for anything.
const LOOK: Duration = Duration::from_millis(200);

/// How many commands one durable write takes at most; a request is never parted.
const GROUP: usize = 4_096;

/// A command to be recorded.
pub(super) struct Wanted {
    pub(super) command: Command,
    /// Whether a prediction with the same request id is the same one.
    pub(super) is_keyed: bool,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub(super) enum Done {
    /// It was decided, and this followed.
    Decided(Vec<Recorded>),
    /// A prediction was recorded under its key before.
    Before(Known),
    /// Another prediction was recorded under its key before, in this entry.
    KeyTaken(u64),
}

/// What became of a command, or why nothing.
pub(super) type Answer = Result<Done, Arc<NodeError>>;

struct Job {
    wanted: Vec<Wanted>,
    answer: oneshot::Sender<Vec<Answer>>,
    /// The room that it takes.
    _room: OwnedSemaphorePermit,
}

/// What can be written goes in here.
#[derive(Clone)]
pub(super) struct Queue(SyncSender<Job>);

/// Why nothing was taken.
pub(super) enum NotTaken {
    /// As many wait as may.
    Full,
    /// The writer is gone.
    Closed,
}

impl Queue {
    /// Hands commands to the writer, and returns where the answers will be, one for each.
    pub(super) fn push(
        &self,
        wanted: Vec<Wanted>,
        room: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Vec<Answer>>, NotTaken> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            wanted,
            answer,
            _room: room,
        };
        match self.0.try_send(job) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(NotTaken::Full),
            Err(TrySendError::Disconnected(_)) => Err(NotTaken::Closed),
        }
    }
}

/// The last state, once there is one.
pub(super) type Shown = watch::Sender<Option<Arc<Published>>>;

/// What the writer works with besides the node.
pub(super) struct Surroundings {
    pub(super) entries: Entries,
    pub(super) wait: Wait,
    pub(super) shown: Arc<Shown>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
}

/// The writer. It fails where the node can't be opened.
pub(super) type Thread<P> = JoinHandle<Result<(), <P as Program>::Error>>;

/// Starts the writer. It ends when every [`Queue`] is gone and all that was in it is answered.
pub(super) fn start<P: Program>(
    mut program: P,
    surroundings: Surroundings,
    queue: usize,
) -> io::Result<(Queue, Thread<P>)> {
    let (sender, jobs) = sync_channel(queue);
    let run = move || {
        let node = program.open()?;
        let mut writer = Writer::new(node, surroundings);
        writer.run(&jobs);
        program.close(&writer.node);
        Ok(())
    };
    let thread = thread::Builder::new().name("writer".into()).spawn(run)?;
    Ok((Queue(sender), thread))
}

struct Writer {
    node: Node<FileLedger>,
    keys: EntryKeys,
    around: Surroundings,
    /// Which file was the last, and how long, when the node had read all of it.
    extent: Option<(u64, u64)>,
    failures: Failures,
}

impl Writer {
    fn new(node: Node<FileLedger>, around: Surroundings) -> Self {
        let mut writer = Self {
            node,
            keys: EntryKeys::default(),
            around,
            extent: None,
            failures: Failures::default(),
        };
        writer.learn(0);
        writer.let_go();
        writer
    }

    /// Learns the keys of what stands behind `after`.
    fn learn(&mut self, after: u64) {
        let last = self.node.head().seq;
        if let Err(error) = self.keys.read(&self.around.entries, after, last) {
            tracing::warn!(%error, "keys of recorded predictions could not be read");
        }
    }

    fn run(&mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(LOOK) {
                Ok(first) => {
                    let group = gather(first, jobs);
                    self.record(group);
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes up what other processes wrote, if there is something, and nobody is just at it; and a ledger
    /// that failed, when it is time.
    fn look(&mut self) {
        let extent = self.around.entries.extent().ok();
        // Of a copy, the files say only what this machine wrote.
        let may_have_grown = extent.is_none() || extent != self.extent;
        let is_due = (self.failures.is_due(Instant::now()))
            .unwrap_or(may_have_grown || self.node.ledger().is_copy());
        if !is_due {
            return;
        }
        match self.take_up(Wait::No) {
            Ok(()) => self.let_go(),
            Err(error) => {
                tracing::debug!(code = error.code(), %error, "what others wrote is read later");
                self.node.release();
            }
        }
    }

    /// Takes up the ledger, and notes whether that can be done.
    fn take_up(&mut self, wait: Wait) -> Result<(), NodeError> {
        let taken = self.try_to_take_up(wait);
        match &taken {
            Ok(()) => self.failures.end(&self.around.health),
            Err(error) => self.note(error),
        }
        taken
    }

    fn note(&mut self, error: &NodeError) {
        let Surroundings { wait, health, .. } = &self.around;
        (self.failures).add(error, *wait, health, Instant::now());
    }

    fn try_to_take_up(&mut self, wait: Wait) -> Result<(), NodeError> {
        let before = self.node.head().seq;
        self.node.resume(wait)?;
        self.node.recover()?;
        if self.node.head().seq > before {
            self.learn(before);
        }
        Ok(())
    }

    /// Shows what is acknowledged, and lets others write.
    fn let_go(&mut self) {
        // Before others may write: what they write is noticed then.
        self.extent = self.around.entries.extent().ok();
        let is_news = (self.around.shown.borrow().as_ref())
            .is_none_or(|shown| shown.head != *self.node.head());
        if is_news {
            let published = Published::of(&self.node);
            self.around.metrics.entries(published.head.seq);
            self.around.shown.send_replace(Some(Arc::new(published)));
        }
        self.node.release();
    }

    fn record(&mut self, group: Vec<Job>) {
        let begun = Instant::now();
        let commands = group.iter().map(|job| job.wanted.len()).sum();
        let mut round = Round::default();
        for (job, wanted) in group.iter().map(|job| &job.wanted).enumerate() {
            round
                .places
                .extend((0..wanted.len()).map(|place| (job, place)));
        }
        let mut answers: Vec<Vec<Option<Answer>>> = group
            .iter()
            .map(|job| vec![None; job.wanted.len()])
            .collect();
        let ready = self.take_up(self.around.wait).map_err(Arc::new);
        while !round.places.is_empty() {
            let done = match &ready {
                Ok(()) => self.decide(&group, &mut round),
                Err(error) => round.fail(error),
            };
            for ((job, place), answer) in done {
                if let Some(slot) = answers.get_mut(job).and_then(|job| job.get_mut(place)) {
                    *slot = Some(answer);
                }
            }
        }
        match ready {
            Ok(()) => self.let_go(),
            Err(_) => self.node.release(),
        }
        self.around.metrics.written(commands, begun.elapsed());
        for (job, answers) in group.into_iter().zip(answers) {
            // Who has gone does not want it; what was recorded stays.
            let _ = job.answer.send(answers.into_iter().flatten().collect());
        }
    }

    /// Decides and writes as much as one write takes.
    fn decide(&mut self, group: &[Job], round: &mut Round) -> Vec<(Place, Answer)> {
        let mut done = Vec::new();
        let mut requests = Vec::new();
        let mut places = Vec::new();
        let mut later = Vec::new();
        let mut keys = BTreeSet::new();
        let at = When::Clock(system_time());
        for place in std::mem::take(&mut round.places) {
            let Some(wanted) = round.wanted(group, place) else {
                continue;
            };
            match self.known(wanted) {
                Some(known) => done.push((place, Ok(known))),
                // The first of two with one key has to be recorded before the second is looked at.
                None if wanted.key().is_some_and(|key| !keys.insert(key)) => later.push(place),
                None => {
                    let command = wanted.command.clone();
                    requests.push(Request { command, at });
                    places.push(place);
                }
            }
        }
        if !requests.is_empty() {
            match self.node.submit_each(&requests) {
                Ok(answers) => {
                    // What the write had no room for comes next.
                    later.splice(..0, places.split_off(answers.len().min(places.len())));
                    for (place, answer) in places.into_iter().zip(answers) {
                        for entry in answer.iter().flatten() {
                            if let Event::PredictionRecorded(recorded) = &entry.event {
                                self.keys.learn(recorded, entry.seq);
                            }
                        }
                        done.push((place, answer.map(Done::Decided).map_err(Arc::new)));
                    }
                }
                Err(error) => match self.after(error) {
                    // What the others left may answer some of it.
                    Ok(()) => drop(later.splice(..0, places)),
                    Err(error) => {
                        done.extend(places.into_iter().map(|it| (it, Err(Arc::clone(&error)))));
                    }
                },
            }
        }
        round.places = later;
        done
    }

    /// Goes on where another process was faster, after a change of the server that keeps the turns.
    fn after(&mut self, error: NodeError) -> Result<(), Arc<NodeError>> {
        if !error.is_overtaken() {
            self.note(&error);
            return Err(Arc::new(error));
        }
        self.node.release();
        self.take_up(self.around.wait).map_err(Arc::new)
    }

    /// What was recorded under a key before.
    fn known(&self, wanted: &Wanted) -> Option<Done> {
        let Command::RecordPrediction(prediction) = &wanted.command else {
            return None;
        };
        let known = self.keys.get(wanted.key()?)?;
        Some(if digest(prediction) == known.digest {
            Done::Before(known)
        } else {
            Done::KeyTaken(known.seq)
        })
    }
}

impl Wanted {
    fn key(&self) -> Option<&str> {
        match &self.command {
            Command::RecordPrediction(prediction) if self.is_keyed => {
                prediction.request_id.as_ref().map(|key| key.as_str())
            }
            _ => None,
        }
    }
}

/// A command's place: its job, and its place there.
type Place = (usize, usize);

/// What is still to be written.
#[derive(Default)]
struct Round {
    places: Vec<Place>,
}

impl Round {
    fn wanted<'g>(&self, group: &'g [Job], (job, place): Place) -> Option<&'g Wanted> {
        group.get(job)?.wanted.get(place)
    }

    fn fail(&mut self, error: &Arc<NodeError>) -> Vec<(Place, Answer)> {
        let places = std::mem::take(&mut self.places).into_iter();
        places.map(|it| (it, Err(Arc::clone(error)))).collect()
    }
}

/// What waits, as far as one write takes it.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let mut commands = first.wanted.len();
    let mut group = vec![first];
    while commands < GROUP
        && let Ok(job) = jobs.try_recv()
    {
        commands += job.wanted.len();
        group.push(job);
    }
    group
}
