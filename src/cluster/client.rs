//! A client of a node on the same machine.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::{Question, Reply, SOCKET, Status};
use super::outcome::Outcome;

/// A connection to a running node.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

/// A node does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no node runs in {}: {source}", path.display())]
    NotRunning {
        /// The node's directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection broke: what became of the question is not known.
    #[error("the node in {} did not answer: {source}", path.display())]
    Broken {
        /// The node's directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The node refuses the question.
    #[error("{message}")]
    Refused {
        /// The stable code.
        code: String,
        /// Why.
        message: String,
    },
}

impl ClientError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotRunning { .. } => "cluster.not-running",
            Self::Broken { .. } => "cluster.no-answer",
            Self::Refused { code, .. } => code,
        }
    }
}

impl Client {
    /// Connects to the node in `dir`. An answer is waited for as long as it takes, or for `patience`.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`].
    pub fn connect(dir: &Path, patience: Option<Duration>) -> Result<Self, ClientError> {
        let not_running = |source| ClientError::NotRunning {
            path: dir.to_owned(),
            source,
        };
        let stream = UnixStream::connect(dir.join(SOCKET)).map_err(not_running)?;
        stream.set_read_timeout(patience).map_err(not_running)?;
        Ok(Self {
            path: dir.to_owned(),
            stream: BufReader::new(stream),
        })
    }

    /// Orders a command and waits for its outcome.
    ///
    /// # Errors
    /// [`ClientError`]. Where the connection breaks, the command may be decided or not; submitting it
    /// again does no harm.
    pub fn submit(&mut self, line: String) -> Result<Outcome, ClientError> {
        match self.ask(&Question::Submit { command: line })? {
            Reply::Outcome(outcome) => Ok(outcome),
            _ => Err(self.broken(io::ErrorKind::InvalidData.into())),
        }
    }

    /// How the node is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        match self.ask(&Question::Status)? {
            Reply::Status(status) => Ok(status),
            _ => Err(self.broken(io::ErrorKind::InvalidData.into())),
        }
    }

    /// The metrics, as Prometheus reads them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn metrics(&mut self) -> Result<String, ClientError> {
        match self.ask(&Question::Metrics)? {
            Reply::Metrics(text) => Ok(text),
            _ => Err(self.broken(io::ErrorKind::InvalidData.into())),
        }
    }

    fn broken(&self, source: io::Error) -> ClientError {
        ClientError::Broken {
            path: self.path.clone(),
            source,
        }
    }

    fn ask(&mut self, question: &Question) -> Result<Reply, ClientError> {
        let reply = self.exchange(question).map_err(|it| self.broken(it))?;
        match reply {
            Reply::Error { code, message } => Err(ClientError::Refused { code, message }),
            reply => Ok(reply),
        }
    }

    fn exchange(&mut self, question: &Question) -> io::Result<Reply> {
        let mut line = serde_json::to_string(question)?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        let mut answer = String::new();
        if self.stream.read_line(&mut answer)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&answer)?)
    }
}
