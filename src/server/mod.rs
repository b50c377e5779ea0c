//! The HTTP service: a ledger for programs that do not run on its machine.
//!
//! ```text
//! connections ──► routes ──► reads: the state as of the last durable write, lines from the files
//!                      └───► writes: a bounded queue ──► one writer: group ──► decide · write · sync
//!                                                                 └─► publishes the new state, answers
//! ```
//!
//! One thread has the node. It takes what waits, writes all of it at once, publishes the state that came of
//! it and answers. Nobody who reads waits for it, and nobody who is slow to send or to receive reaches it:
//! it is given whole commands and hands out whole answers. Between two writes it lets other processes
//! write, and looks what they wrote.
//!
//! The server holds no keys of nodes: statements come signed. Told so, it holds that of one, and signs for
//! clients whose tokens say that they may have it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a service is clock, files and threads"
)]

pub mod access;
mod entry_keys;
mod health;
mod json;
mod limits;
mod listen;
mod look;
mod metrics;
mod observe;
mod past;
mod problem;
mod published;
mod routes;
mod service;
mod session;
pub mod tokens;
mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::ledger::{FileLedger, Wait};
use crate::node::Node;
use crate::node::reported::Intake;
use crate::node::signing::Signer;
use crate::node::snapshots::Snapshots;

pub use access::Access;
pub use limits::Limits;
pub use listen::{BindError, TlsFiles};
pub use problem::Problem;
pub use published::Published;
pub use routes::openapi;
pub use service::Service;

/// How a service is set up.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate and its key, for TLS.
    pub tls: Option<TlsFiles>,
    /// Whether others may be listened to without TLS.
    pub insecure: bool,
    /// Who may do what without a token.
    pub access: Access,
    /// Who signs what clients with the scope `sign` ask for; nobody unless given.
    pub signer: Option<Signer>,
    /// The directory of the ledger.
    pub ledger: PathBuf,
    /// Where replays of the past may begin.
    pub snapshots: Option<Snapshots>,
    /// How reported predictions are taken.
    pub intake: Intake,
    /// How long a write waits for other processes.
    pub wait: Wait,
    /// How much is taken at once.
    pub limits: Limits,
    /// How long requests may take to end when the service is told to end.
    pub grace: Duration,
}

/// Why a service ended otherwise than it was told to. `E` is why the node can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServeError<E> {
    /// It can't listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The node can't be opened.
    #[error("the ledger can't be opened")]
    Open(E),
    /// A thread or the runtime can't be had, or ended in a panic.
    #[error("the service can't run: {0}")]
    Runtime(#[from] std::io::Error),
}

/// What a service asks of the program that it runs in.
pub trait Program: Send + 'static {
    /// Why the node can't be opened.
    type Error: Send + 'static;

    /// Opens the ledger for writing. Others listen to the service already, and are told to come back.
    ///
    /// # Errors
    /// Whatever the program wants to be told in [`ServeError::Open`].
    fn open(&mut self) -> Result<Node<FileLedger>, Self::Error>;

    /// The last thing that is done with the node, when everything is written.
    fn close(&mut self, node: &Node<FileLedger>);
}

/// Runs a service until the process is told to end (SIGTERM, SIGINT), then answers what it has taken, and
/// returns. `listening` is told the address as soon as there is one.
///
/// # Errors
/// [`ServeError`]. Everything that was acknowledged is durable then, too.
pub fn serve<P: Program>(
    config: Config,
    program: P,
    listening: impl FnOnce(SocketAddr) + Send,
) -> Result<(), ServeError<P::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(config.limits.readers.saturating_add(4))
        .build()?;
    let ended = runtime.block_on(listen::run(config, program, listening));
    // What is still under way only reads.
    runtime.shutdown_background();
    ended
}
