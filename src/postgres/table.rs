//! A ledger's table, as an upstream.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator as _;

use super::address::{Address, with_sources};
use super::connection::{Connection, Unconnected, is_conflict, is_of_the_connection};
use super::schema;
use crate::chain::line::{EncodedBatch, Head};
use crate::governance::digest::Digest;
use crate::ledger::{AppendError, Row, Upstream, UpstreamError, Wait};

/// How long an append looks for a server that takes it, after the one that it had is gone; and how long a
/// server may take for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Commits something that nobody reads.
const COMMIT: &str = "SELECT pg_logical_emit_message(true, 'althing', '')";

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// The ledger of one schema, through one connection.
///
/// Compare-and-append is the constraints': a row, which is a batch, continues the last one or is refused.
/// An append whose answer is lost is tried again as it is, on whatever server takes writes by then: its
/// hash tells it from anybody else's, so it is there once. Turns are an advisory lock, which the
/// end of a connection gives back.
pub struct Table {
    address: Address,
    times: Times,
    tell: Option<Tell>,
    slot: Mutex<Slot>,
}

/// Whom to tell that a server is waited for.
type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// How long servers are waited for.
#[derive(Clone, Copy)]
struct Times {
    /// For the first connection.
    first: Duration,
    /// For another server, and for the end of an append.
    patience: Duration,
}

/// A place for one connection.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    /// Whether there ever was one: a server that was never there is not waited for.
    has_served: bool,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// The table at `address`. Nothing is connected yet.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self {
            address,
            times: Times {
                first: Duration::ZERO,
                patience: PATIENCE,
            },
            tell: None,
            slot: Mutex::new(Slot {
                connection: None,
                has_served: false,
            }),
        }
    }

    /// Looks for a server for so long, instead of a minute, when the one that it had is gone, and gives a
    /// server so long for an append.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.times.patience = patience;
        self
    }

    /// Looks for a server for so long at first, too: one may just be taking another's place. Without
    /// this, the first look decides.
    #[must_use]
    pub const fn waiting(mut self, wait: Wait) -> Self {
        self.times.first = match wait {
            Wait::No => Duration::ZERO,
            Wait::For(time) => time,
        };
        self
    }

    /// Tells `tell`, in a sentence, whenever it begins to wait for a server.
    #[must_use]
    pub fn telling(mut self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    fn failed(&self, source: io::Error) -> UpstreamError {
        let name = self.name();
        UpstreamError::Failed { name, source }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        // A connection behind a panic is as good as any: the server knows what was committed.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server something that may be asked again where there is no answer.
    fn ask<T>(
        &self,
        ask: impl FnMut(&mut Connection) -> Result<T, postgres::Error>,
    ) -> Result<T, UpstreamError> {
        self.ask_unless(|| false, ask)
    }

    /// Says that there is no server at the moment.
    fn say_that_it_waits(&self, error: &io::Error, time: Duration) {
        if let Some(tell) = &self.tell {
            let name = self.name();
            tell(&format!(
                "{name}: {error}; waiting up to {} s for a server that takes writes",
                time.as_secs_f64()
            ));
        }
    }

    /// Asks on one connection after the other, for as long as a server that is gone may be replaced.
    /// With an error comes whether it is the last word all the same.
    fn ask_until_answered<T>(
        &self,
        mut ask: impl FnMut(&mut Connection) -> Result<T, (postgres::Error, bool)>,
    ) -> Result<T, Unanswered> {
        let mut slot = self.lock();
        let began = Instant::now();
        let mut is_first = true;
        let mut was_sent = false;
        loop {
            let had_served = slot.has_served;
            let error = match slot.connection(&self.address) {
                Err(unconnected) if had_served || unconnected.may_pass => unconnected.error,
                Err(Unconnected { error, .. }) => return Err(Unanswered { error, was_sent }),
                Ok(connection) => match ask(connection) {
                    Ok(answer) => return Ok(answer),
                    Err((error, is_final)) => {
                        was_sent |= may_have_arrived(&error);
                        let may_pass = is_of_the_connection(&error);
                        let error = io::Error::other(with_sources(&error));
                        if !may_pass || is_final {
                            return Err(Unanswered { error, was_sent });
                        }
                        error
                    }
                },
            };
            slot.connection = None;
            let time = if slot.has_served {
                self.times.patience
            } else {
                self.times.first
            };
            if began.elapsed() >= time {
                return Err(Unanswered { error, was_sent });
            }
            if std::mem::take(&mut is_first) {
                self.say_that_it_waits(&error, time);
            }
            thread::sleep(PAUSE);
        }
    }

    /// As [`ask`](Self::ask), but not again where `has_begun` says that too much came of it already.
    fn ask_unless<T>(
        &self,
        has_begun: impl Fn() -> bool,
        mut ask: impl FnMut(&mut Connection) -> Result<T, postgres::Error>,
    ) -> Result<T, UpstreamError> {
        let asked = self
            .ask_until_answered(|connection| ask(connection).map_err(|error| (error, has_begun())));
        asked.map_err(|unanswered| self.failed(unanswered.error))
    }

    fn insert(
        &self,
        connection: &mut Connection,
        batch: &EncodedBatch,
    ) -> Result<(), postgres::Error> {
        let (first, head) = (first_of(batch), batch.head());
        let insert = connection.prepared_insert(&self.address.schema)?;
        let hash = &head.hash.as_bytes()[..];
        connection
            .client
            .execute(
                &insert,
                &[&first, &head.seq.cast_signed(), &hash, &batch.bytes()],
            )
            .map(drop)
    }

    /// What became of a batch that the constraints refused: it is there already, or another is.
    fn judge(
        &self,
        connection: &mut Connection,
        batch: &EncodedBatch,
    ) -> Result<Result<(), AppendError>, postgres::Error> {
        let schema = &self.address.schema;
        let select = format!("SELECT hash FROM {schema}.batches WHERE first = $1");
        let found = connection.client.query_opt(&select, &[&first_of(batch)])?;
        // Each line binds all lines before it: if the last is ours, all are.
        if found.is_some_and(|row| row.get::<_, &[u8]>(0) == batch.head().hash.as_bytes()) {
            // It may be there and nowhere else: an earlier commit may not have waited for its standbys.
            // One behind it does.
            connection.client.execute(COMMIT, &[])?;
            return Ok(Ok(()));
        }
        let select = format!("SELECT last, hash FROM {schema}.batches ORDER BY first DESC LIMIT 1");
        let head = connection.client.query_opt(&select, &[])?;
        let head = head.map_or(Head::GENESIS, |row| Head {
            seq: row.get::<_, i64>(0).cast_unsigned(),
            hash: digest(row.get(1)),
        });
        Ok(Err(AppendError::HeadMoved {
            expected: *batch.previous(),
            found: head,
        }))
    }

    fn try_append(
        &self,
        connection: &mut Connection,
        batch: &EncodedBatch,
    ) -> Result<Result<(), AppendError>, postgres::Error> {
        let watch = match connection.watch(self.times.patience) {
            Ok(watch) => watch,
            Err(error) => return Ok(Err(AppendError::Io(error))),
        };
        let outcome = watch.over(|| match self.insert(connection, batch) {
            Err(error) if is_conflict(&error) => self.judge(connection, batch),
            inserted => inserted.map(Ok),
        })?;
        if outcome.is_ok() && connection.take_doubt() {
            let reason = "the server warns that its standbys may not have it";
            return Ok(Err(AppendError::DurabilityUnknown(io::Error::other(
                reason,
            ))));
        }
        Ok(outcome)
    }
}

/// Nobody answered, or the answer was no.
struct Unanswered {
    error: io::Error,
    /// Whether a server may have got the question.
    was_sent: bool,
}

impl Slot {
    fn connection(&mut self, address: &Address) -> Result<&mut Connection, Unconnected> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(address)?,
        };
        self.has_served = true;
        Ok(self.connection.insert(connection))
    }
}

/// The number of the first line.
fn first_of(batch: &EncodedBatch) -> i64 {
    (batch.previous().seq + 1).cast_signed()
}

/// Whether the server may have got what was sent, and not have lived to answer.
fn may_have_arrived(error: &postgres::Error) -> bool {
    error
        .code()
        .is_none_or(|code| *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN)
}

impl Upstream for Table {
    fn set_up(&self) -> Result<(), UpstreamError> {
        self.ask(|connection| schema::migrate(&mut connection.client, &self.address.schema))
    }

    fn check(&self) -> Result<(), UpstreamError> {
        let name = &self.address.schema;
        let problem = match self.ask(|it| schema::version(&mut it.client, name))? {
            Some(schema::VERSION) => return Ok(()),
            None | Some(0) => format!("there is no ledger in schema {name}"),
            Some(version) if version < schema::VERSION => format!(
                "schema {name} has version {version}, which `althing init` of its owner brings up to {}",
                schema::VERSION
            ),
            Some(version) => format!(
                "schema {name} has version {version}, and this program knows version {}",
                schema::VERSION
            ),
        };
        Err(self.failed(io::Error::new(io::ErrorKind::NotFound, problem)))
    }

    fn wait_for_more(&self, at_most: Duration) -> Result<(), UpstreamError> {
        let listen = format!("LISTEN {}_entries", self.address.schema);
        self.ask(|connection| {
            connection.client.batch_execute(&listen)?;
            let mut notifications = connection.client.notifications();
            notifications.timeout_iter(at_most).next().map(drop)
        })
    }

    fn take_turn(&self, wait: Wait) -> Result<(), UpstreamError> {
        let key = format!("althing turn {}", self.address.schema);
        let taken = self.ask(|connection| {
            let client = &mut connection.client;
            let attempt = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
            let is_free: bool = client.query_one(attempt, &[&key])?.get(0);
            match wait {
                Wait::For(time) if !is_free => wait_for_turn(client, &key, time),
                _ => Ok(is_free),
            }
        })?;
        if taken {
            return Ok(());
        }
        Err(UpstreamError::InUse { name: self.name() })
    }

    fn end_turn(&self) {
        let mut slot = self.lock();
        let unlock = "SELECT pg_advisory_unlock_all()";
        if let Some(connection) = &mut slot.connection
            && connection.client.execute(unlock, &[]).is_err()
        {
            // The end of the connection gives the lock back.
            slot.connection = None;
        }
    }

    fn append(&self, batch: &EncodedBatch) -> Result<(), AppendError> {
        let asked = self.ask_until_answered(|connection| {
            self.try_append(connection, batch)
                .map_err(|error| (error, false))
        });
        match asked {
            Ok(outcome) => outcome,
            Err(unanswered) if unanswered.was_sent => {
                Err(AppendError::DurabilityUnknown(unanswered.error))
            }
            Err(unanswered) => Err(AppendError::Io(unanswered.error)),
        }
    }

    fn rows_from(
        &self,
        head: &Head,
        take: &mut dyn FnMut(&Row<'_>) -> Result<(), UpstreamError>,
    ) -> Result<(), UpstreamError> {
        let select = format!(
            "SELECT first, last, hash, CASE WHEN last = $1 THEN '' ELSE lines END
             FROM {schema}.batches
             WHERE first >= coalesce((SELECT max(first) FROM {schema}.batches WHERE first <= $1), 0)
             ORDER BY first",
            schema = self.address.schema
        );
        let from = head.seq.cast_signed();
        // What `take` refuses is no failure of the server's.
        let mut refused = None;
        let has_begun = Cell::new(false);
        let begun = || has_begun.get();
        self.ask_unless(begun, |connection| {
            let mut rows = connection.client.query_raw(&select, [&from])?;
            while let Some(row) = rows.next()? {
                has_begun.set(true);
                let row = Row {
                    first: row.get::<_, i64>(0).cast_unsigned(),
                    last: row.get::<_, i64>(1).cast_unsigned(),
                    hash: row.get(2),
                    lines: row.get(3),
                };
                if let Err(error) = take(&row) {
                    refused = Some(error);
                    break;
                }
            }
            Ok(())
        })?;
        refused.map_or(Ok(()), Err)
    }

    fn name(&self) -> String {
        self.address.to_string()
    }
}

/// Waits in line; whether it is this writer's turn then.
fn wait_for_turn(client: &mut Client, key: &str, time: Duration) -> Result<bool, postgres::Error> {
    // None at all would mean for ever.
    let milliseconds = time.as_millis().clamp(1, i32::MAX as u128);
    client.batch_execute(&format!("SET lock_timeout = {milliseconds}"))?;
    let lock = "SELECT pg_advisory_lock(hashtextextended($1, 0))";
    let taken = client.execute(lock, &[&key]);
    client.batch_execute("SET lock_timeout = 0")?;
    match taken {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A hash of the table's, for people to read.
fn digest(bytes: &[u8]) -> Digest {
    <[u8; 32]>::try_from(bytes).map_or(Digest::of(bytes), Digest::from_bytes)
}
