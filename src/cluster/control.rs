//! How clients on the same machine talk to a node: a Unix socket in its directory, one JSON object a
//! line, one answer to each. Whoever may open the socket may submit; what is submitted is signed.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::command::{self, MAX_COMMAND_BYTES};
use super::metrics;
use super::outcome::Outcome;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::{LedgerId, NodeId};

/// The name of the socket.
pub const SOCKET: &str = "node.sock";

/// The longest line of a client's.
const MAX_LINE_BYTES: u64 = MAX_COMMAND_BYTES as u64 + 1024;

/// What a client asks, as a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Order a command, and say what became of it.
    Submit {
        /// The command's line, as text.
        command: String,
    },
    /// Say how the node is.
    Status,
    /// Give the metrics, as Prometheus reads them.
    Metrics,
}

/// What a node answers, as a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// What became of a command.
    Outcome(Outcome),
    /// How the node is.
    Status(Status),
    /// The metrics.
    Metrics(String),
    /// The question is none.
    Error {
        /// The stable code.
        code: String,
        /// What is wrong.
        message: String,
    },
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The number of entries in its ledger.
    pub entries: u64,
    /// The hash of the last.
    pub head: Digest,
    /// The last decided height.
    pub height: u64,
    /// Whether it waits for a command.
    pub is_idle: bool,
    /// Whether it takes part in decisions.
    pub is_validator: bool,
    /// How many heights any peer claims to be ahead.
    pub lag: u64,
    /// The ledger.
    pub ledger: LedgerId,
    /// The node.
    pub node: NodeId,
    /// How many peers it is connected to.
    pub peers: usize,
    /// The round of the next height.
    pub round: u32,
    /// The hash of the state.
    pub state_hash: Digest,
    /// How many nodes decide.
    pub validators: usize,
    /// How many commands wait.
    pub waiting: usize,
    /// This node's weight, 0 where it does not take part.
    pub weight: u64,
    /// The weight of all.
    pub weight_of_all: u64,
}

/// What the application is asked.
#[derive(Debug)]
pub enum Request {
    /// Order a command.
    Submit {
        /// The command.
        command: Box<Command>,
        /// Its one line.
        line: String,
        /// Who waits for the outcome.
        client: oneshot::Sender<Outcome>,
    },
    /// Say how the node is.
    Status(oneshot::Sender<Status>),
}

/// The socket of a running node. It is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        // One that stays is replaced by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Control {
    /// Listens in a node's directory. The ledger's lock must be held: a socket that is there is what
    /// a process left that ended without warning.
    ///
    /// # Errors
    /// Where the socket can't be made.
    pub fn listen(dir: &Path) -> io::Result<Self> {
        let path = dir.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves clients until the application is gone.
    pub async fn serve(&self, requests: mpsc::Sender<Request>) {
        while !requests.is_closed() {
            if let Ok((stream, _)) = self.listener.accept().await {
                tokio::spawn(serve_client(stream, requests.clone()));
            }
        }
    }
}

async fn serve_client(stream: UnixStream, requests: mpsc::Sender<Request>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(MAX_LINE_BYTES);
        match limited.read_until(b'\n', &mut line).await {
            Ok(read) if read > 0 && line.last() == Some(&b'\n') => {}
            _ => return,
        }
        let Some(reply) = answer(&line, &requests).await else {
            return;
        };
        let Ok(mut text) = serde_json::to_string(&reply) else {
            return;
        };
        text.push('\n');
        if writer.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The answer to a line; none where the application is gone.
async fn answer(line: &[u8], requests: &mpsc::Sender<Request>) -> Option<Reply> {
    let error = |code: &str, message: String| Reply::Error {
        code: code.to_owned(),
        message,
    };
    let question: Question = match serde_json::from_slice(line) {
        Ok(question) => question,
        Err(problem) => return Some(error("cluster.request-malformed", problem.to_string())),
    };
    match question {
        Question::Submit { command: line } => {
            let read = command::decode(&line)
                .and_then(|command| Ok((command::encode(&command)?, Box::new(command))));
            let (line, command) = match read {
                Ok(read) => read,
                Err(problem) => return Some(error(problem.code(), problem.to_string())),
            };
            let (client, outcome) = oneshot::channel();
            let request = Request::Submit {
                command,
                line,
                client,
            };
            requests.send(request).await.ok()?;
            Some(match outcome.await {
                Ok(outcome) => Reply::Outcome(outcome),
                Err(_) => error(
                    "cluster.no-outcome",
                    "the node ended, or too many commands wait: what became of the command is not \
                     known; submit it again"
                        .to_owned(),
                ),
            })
        }
        Question::Status => status(requests).await.map(Reply::Status),
        Question::Metrics => {
            let status = status(requests).await?;
            Some(Reply::Metrics(metrics::text(&status)))
        }
    }
}

async fn status(requests: &mpsc::Sender<Request>) -> Option<Status> {
    let (client, status) = oneshot::channel();
    requests.send(Request::Status(client)).await.ok()?;
    status.await.ok()
}
