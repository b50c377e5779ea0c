//! What a command works with: the ledger, the keys and the time.

mod copy;
mod past;
mod signer;

use std::cell::Cell;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etcetera::BaseStrategy as _;
use zeroize::Zeroizing;

use super::args::Global;
use super::error::Failure;
use super::exit::Exit;
use super::remembered::Memory;
use super::style::escaped;
use super::tree;
use super::upstream;
use crate::chain::line::Head;
use crate::cli::progress::ReplayBar;
use crate::clock::system_time;
use crate::governance::command::Command;
use crate::governance::event::Recorded;
use crate::governance::key::SignatureVerifier;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::governance::tree_head::TreeHead;
use crate::identity::{KeyStore, MlDsaVerifier};
use crate::ledger::{FileLedger, LedgerReader, OpenOptions, UnreadLedger, Upstream, Wait};
use crate::node::snapshots::{Ignored, Skipped, Snapshots};
use crate::node::{Node, When};
use crate::parallel::Parallel;
use crate::replay::Replayed;
use crate::state_dir::StateDir;

pub use past::{Moment, Past};

/// The surroundings of one command.
pub struct Session {
    global: Global,
    ledger: PathBuf,
    /// What the ledger's directory is a copy of, where the user named no directory.
    upstream: Option<Arc<dyn Upstream>>,
    is_caught_up: Cell<bool>,
    keys: KeyStore,
    memory: Memory,
}

impl Session {
    /// The surroundings that the global options name.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let dir = match &global.keys {
            Some(dir) => dir.clone(),
            None => default_key_dir()?,
        };
        let memory = Memory::new(match &global.state {
            Some(dir) => dir.clone(),
            None => default_state_dir()?,
        });
        let named = global.ledger.clone();
        let named = named.unwrap_or_else(|| PathBuf::from("./althing-ledger"));
        let is_quiet = global.quiet;
        let upstream = upstream::named(&named, wait_of(global), move |text| {
            if !is_quiet {
                // A note that nobody can read is lost.
                let _ = writeln!(io::stderr(), "note: {}", escaped(text));
            }
        })?;
        let ledger = match &upstream {
            Some(upstream) => upstream::copy_of(upstream.as_ref(), memory.dir()),
            None => named,
        };
        Ok(Self {
            global: global.clone(),
            ledger,
            upstream,
            is_caught_up: Cell::new(false),
            keys: KeyStore::new(dir),
            memory,
        })
    }

    /// The ledger's directory.
    pub const fn ledger_dir(&self) -> &PathBuf {
        &self.ledger
    }

    /// The directory that the user asked for, if the user did.
    pub const fn chosen_ledger_dir(&self) -> Option<&PathBuf> {
        self.global.ledger.as_ref()
    }

    /// The user's keys.
    pub const fn keys(&self) -> &KeyStore {
        &self.keys
    }

    /// The time: the one given, or the machine's.
    pub fn now(&self) -> Timestamp {
        self.global.now.unwrap_or_else(system_time)
    }

    /// The time in whole seconds since 1970.
    pub fn posix_seconds(&self) -> u64 {
        self.now().as_micros() / 1_000_000
    }

    /// How long to wait for another writer.
    pub fn wait(&self) -> Wait {
        wait_of(&self.global)
    }

    /// Opens the ledger for writing.
    pub fn open_node(&self) -> Result<Node<FileLedger>, Failure> {
        let upstream = self.to_catch_up_with()?;
        let dir = self.ledger_dir();
        // What was seen here before was acknowledged: no torn tail may hold it.
        let known = self.memory.of_path(dir)?;
        // A copy is not synced as it grows: what a loss of power takes of it is fetched again.
        let known = known.filter(|_| self.upstream.is_none());
        let options = OpenOptions {
            wait: self.wait(),
            acknowledged: known.map(|head| head.tree.size),
            ..OpenOptions::default()
        };
        let (mut node, skipped) = match self.snapshots() {
            None => {
                let mut ledger = FileLedger::open_with(dir, options)?;
                if let Some(upstream) = upstream {
                    ledger.catch_up(upstream.as_ref())?;
                }
                let node = Node::open(ledger)?;
                self.say_what_was_read(node.state(), None);
                (node, Skipped::default())
            }
            Some(snapshots) => {
                let opened = snapshots.catching_up_with(upstream).open_node(options)?;
                self.warn_of(&opened.ignored);
                self.say_what_was_read(opened.value.state(), opened.from);
                (opened.value, opened.skipped)
            }
        };
        let head = tree::head_of(&node);
        self.memory.check(dir, &head, |size| {
            // The snapshot's tree is this user's own, and the ledger holds the entry that it ends with.
            let known = Some(&skipped).filter(|skipped| skipped.merkle.size() <= size);
            let Skipped { merkle, bytes } = known.cloned().unwrap_or_default();
            Ok((merkle, node.ledger().reader_behind(bytes)))
        })?;
        self.remember(&head);
        if let Some(upstream) = &self.upstream {
            node.follow(Arc::clone(upstream), self.wait())?;
        }
        Ok(node)
    }

    /// Ends a command that wrote, after its report: remembers how far the ledger has grown, and takes
    /// a snapshot where one is due. The ledger has acknowledged everything by then, so that a failure
    /// here is a warning.
    pub fn close(&self, node: &Node<FileLedger>) {
        self.remember(&tree::head_of(node));
        let Some(snapshots) = self.snapshots() else {
            return;
        };
        if let Err(error) = snapshots.take_at_close(node) {
            let error = escaped(&error.to_string());
            self.warn(&format!("no snapshot was taken: {error} [snapshot.failed]"));
        }
    }

    /// The snapshots of the ledger; `None` where the user wants none, or has no place for a key.
    fn snapshots(&self) -> Option<Snapshots> {
        if self.global.no_snapshot {
            return None;
        }
        Some(self.snapshots_anyway())
    }

    /// The snapshots of the ledger, even where commands are not to use any.
    pub fn snapshots_anyway(&self) -> Snapshots {
        self.unwatched_snapshots().watched_by(Arc::new(self.bar()))
    }

    /// As [`snapshots`](Self::snapshots), for who reads behind a user's back.
    pub fn quiet_snapshots(&self) -> Option<Snapshots> {
        (!self.global.no_snapshot).then(|| self.unwatched_snapshots())
    }

    fn unwatched_snapshots(&self) -> Snapshots {
        let state_dir = StateDir::new(self.memory.dir().clone());
        Snapshots::new(self.ledger_dir(), state_dir)
    }

    /// Shows how far a long replay has come.
    fn bar(&self) -> ReplayBar {
        let unread = UnreadLedger::list(self.ledger_dir()).filter(|_| !self.global.quiet);
        ReplayBar::new(unread.map(|unread| unread.bytes()))
    }

    /// A snapshot that can't be used is no failure: the history says the same.
    fn warn_of(&self, ignored: &[Ignored]) {
        for snapshot in ignored {
            self.warn(&format!(
                "the snapshot {} is ignored: {} [snapshot.ignored, {}]",
                escaped(&snapshot.path.display().to_string()),
                escaped(&snapshot.reason.to_string()),
                snapshot.reason.code(),
            ));
        }
    }

    fn warn(&self, text: &str) {
        if !self.global.quiet {
            // A warning that nobody can read is lost.
            let _ = writeln!(io::stderr(), "warning: {text}");
        }
    }

    /// What this user last saw of each ledger.
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Remembers how far the ledger has grown. Where that can't be done it is said, and no more: what
    /// was asked for is done.
    pub fn remember(&self, head: &TreeHead) {
        if let Err(failure) = self.memory.remember(self.ledger_dir(), head)
            && self.global.verbose
        {
            // A note that nobody can read is lost.
            let _ = writeln!(io::stderr(), "not remembered: {}", failure.message);
        }
    }

    /// Opens the ledger for reading.
    pub fn open_reader(&self) -> Result<LedgerReader, Failure> {
        self.catch_up()?;
        Ok(LedgerReader::open(self.ledger_dir())?)
    }

    /// Opens the ledger for reading, if its whole chain is intact.
    pub fn open_intact_reader(&self) -> Result<LedgerReader, Failure> {
        intact(self.open_reader()?)
    }

    /// Replays the ledger without writing to it.
    pub fn read(&self) -> Result<Replayed, Failure> {
        self.catch_up()?;
        let Some(snapshots) = self.snapshots() else {
            let replayed = self.replay_with(&MlDsaVerifier)?;
            self.say_what_was_read(&replayed.state, None);
            return Ok(replayed);
        };
        let opened = snapshots.replay()?;
        self.warn_of(&opened.ignored);
        self.say_what_was_read(&opened.value.state, opened.from);
        Ok(opened.value)
    }

    /// As [`read`](Self::read), and gives only the state and the head: the Merkle tree over a long
    /// history is work.
    fn read_state(&self) -> Result<(State, Head), Failure> {
        self.catch_up()?;
        let Some(snapshots) = self.snapshots() else {
            let (state, head) = self.rebuild_with(&MlDsaVerifier)?;
            self.say_what_was_read(&state, None);
            return Ok((state, head));
        };
        let opened = snapshots.rebuild()?;
        self.warn_of(&opened.ignored);
        let (state, head) = opened.value;
        self.say_what_was_read(&state, opened.from);
        Ok((state, head))
    }

    /// Replays the ledger from its first line, with a verifier of signatures.
    pub fn replay_with(&self, verifier: &Verifier) -> Result<Replayed, Failure> {
        let replayed = Parallel::new(verifier)
            .watched_by(&self.bar())
            .replay_dir(self.ledger_dir());
        replayed.map_or_else(|| self.replay_after_a_look(verifier), Ok)
    }

    /// Replays the ledger from its first line, if nothing at all is wrong with it.
    pub fn verify_sound(&self, verifier: &Verifier) -> Option<Replayed> {
        let bar = self.bar();
        let parallel = Parallel::new(verifier).watched_by(&bar);
        parallel.verify_dir(self.ledger_dir())
    }

    /// As [`replay_with`](Self::replay_with), and gives only the state and the head.
    pub fn rebuild_with(&self, verifier: &Verifier) -> Result<(State, Head), Failure> {
        self.catch_up()?;
        let rebuilt = Parallel::new(verifier)
            .watched_by(&self.bar())
            .rebuild_dir(self.ledger_dir());
        rebuilt.map_or_else(
            || {
                let replayed = self.replay_after_a_look(verifier)?;
                Ok((replayed.state, replayed.head))
            },
            Ok,
        )
    }

    /// Looks first which bytes are complete batches and whether anything is damaged.
    fn replay_after_a_look(&self, verifier: &Verifier) -> Result<Replayed, Failure> {
        let reader = self.open_reader()?;
        // A replay says more of what it finds itself, but it does not see the seals.
        let replayed = Parallel::new(verifier)
            .watched_by(&self.bar())
            .replay(reader.reader())?;
        intact(reader)?;
        Ok(replayed)
    }

    fn say_what_was_read(&self, state: &State, from: Option<u64>) {
        if self.global.verbose {
            // A note that nobody can read is lost.
            let _ = writeln!(
                io::stderr(),
                "replayed {} entries{} of ledger {} in {}",
                state.entries() - from.unwrap_or(0),
                from.map_or_else(String::new, |seq| format!(
                    " behind the snapshot of entry {seq}"
                )),
                state.ledger(),
                escaped(&self.ledger_dir().display().to_string())
            );
        }
    }

    /// The time for the next entries of `node`.
    pub fn write_time(&self, node: &Node<FileLedger>) -> Result<Timestamp, Failure> {
        match self.global.now {
            // The rules refuse a time before the head.
            Some(now) => Ok(now),
            None => Ok(node.timestamp(system_time())?),
        }
    }

    /// As [`write_time`](Self::write_time), for the node to say when it decides.
    pub fn write_when(&self) -> When {
        (self.global.now).map_or_else(|| When::Clock(system_time()), When::At)
    }

    /// Decides a command and records what follows.
    pub fn submit(
        &self,
        node: &mut Node<FileLedger>,
        command: &Command,
    ) -> Result<Vec<Recorded>, Failure> {
        loop {
            match node.submit(command, self.write_time(node)?) {
                // After a change of servers the turn may be another's, too: decide again on what it left.
                Err(error) if error.is_overtaken() && self.upstream.is_some() => {
                    node.retake(self.wait())?;
                }
                submitted => return Ok(submitted?),
            }
        }
    }

    /// A passphrase from the file that was named, or from the user.
    pub fn passphrase(&self, prompt: &str) -> Result<Option<Zeroizing<String>>, Failure> {
        if let Some(path) = &self.global.passphrase_file {
            let text = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
            let text = Zeroizing::new(text);
            let first = text.lines().next().unwrap_or_default().to_owned();
            return Ok(Some(Zeroizing::new(first)));
        }
        if self.global.no_input || !io::stdin().is_terminal() {
            return Ok(None);
        }
        rpassword::prompt_password(prompt)
            .map(|text| Some(Zeroizing::new(text)))
            .map_err(|error| {
                Failure::new(
                    Exit::Failure,
                    "passphrase.io",
                    format!("no passphrase: {error}"),
                )
            })
    }
}

fn wait_of(global: &Global) -> Wait {
    match global.wait {
        Some(0) => Wait::No,
        Some(seconds) => Wait::For(Duration::from_secs(seconds)),
        None => Wait::default(),
    }
}

/// Whoever checks signatures, on several threads.
type Verifier = dyn SignatureVerifier + Sync;

/// A reader, if nothing that it looked at is damaged.
fn intact(reader: LedgerReader) -> Result<LedgerReader, Failure> {
    match reader.refusal() {
        None => Ok(reader),
        Some(refusal) => Err(
            Failure::new(Exit::ChainBroken, refusal.code, refusal.to_string())
                .hint("`althing verify` lists everything that is wrong"),
        ),
    }
}

fn default_state_dir() -> Result<PathBuf, Failure> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Failure::new(Exit::Failure, "state.no-home", error.to_string())
            .hint("name a state directory with --state DIR")
    })?;
    // Not every system has a directory for state.
    let base = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Ok(base.join("althing"))
}

fn default_key_dir() -> Result<PathBuf, Failure> {
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        Failure::new(Exit::Failure, "key.no-home", error.to_string())
            .hint("name a key directory with --keys DIR")
    })?;
    Ok(strategy.data_dir().join("althing").join("keys"))
}
