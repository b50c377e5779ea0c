//! `althing cluster`: nodes that do not trust each other.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::init::policy;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file::read_text;
use crate::cli::style::{Grid, escaped, fields};
use crate::cluster::application::Ended;
use crate::cluster::audit::{AuditError, audit};
use crate::cluster::client::{Client, ClientError};
use crate::cluster::config::Config;
use crate::cluster::control::Status;
use crate::cluster::outcome::Outcome;
use crate::cluster::run::{RunError, run as run_node};
use crate::cluster::setup::{self, Plan, Prepared, SetupError};
use crate::governance::digest::Digest;
use crate::governance::id::{LedgerId, NodeId};
use crate::governance::label::Name;

/// Nodes that do not trust each other.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Set up a new cluster on this machine: keys, configuration, founding.
    #[command(after_long_help = help!("  althing cluster init --nodes 4 --name hospitals demo"))]
    Init(Init),
    /// Prepare a directory for a node that is to join a cluster.
    #[command(after_long_help = help!("  althing cluster join demo/node5 --like demo/node1 --listen 127.0.0.1:26004"))]
    Join(Join),
    /// Run one node until it is asked to end (SIGTERM, SIGINT).
    #[command(after_long_help = help!("  althing cluster run demo/node1"))]
    Run(NodeDir),
    /// Say how a running node is.
    #[command(after_long_help = help!("  althing cluster status demo/node1"))]
    Status(NodeDir),
    /// Order signed statements through a running node, and wait for what becomes of them.
    #[command(after_long_help = help!(
        "  althing vote 3f2a approve --as node2 --ledger demo/node2 --keys demo/node2/keys --out - |
    althing cluster submit demo/node2 -"
    ))]
    Submit(Submit),
    /// Check every decision of a node's directory offline: certificates, rules, ledger.
    #[command(after_long_help = help!("  althing cluster verify demo/node1"))]
    Verify(NodeDir),
    /// Print a running node's metrics, as Prometheus reads them.
    #[command(after_long_help = help!("  althing cluster metrics demo/node1"))]
    Metrics(NodeDir),
}

/// Arguments of `cluster init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The directory to make; each node gets a directory in it.
    dir: PathBuf,
    /// How many nodes, each of weight 1.
    #[arg(long, default_value_t = 4)]
    nodes: u16,
    /// What the group calls itself.
    #[arg(long, default_value = "cluster")]
    name: Name,
    /// The port of the first node on 127.0.0.1; the others follow.
    #[arg(long, default_value_t = 26000)]
    port: u16,
    /// The policy, as for `althing init`.
    #[arg(long, value_name = "FILE|uniform", default_value = "default")]
    policy: String,
}

/// Arguments of `cluster join`.
#[derive(Debug, Args)]
pub struct Join {
    /// The directory to make.
    dir: PathBuf,
    /// The directory of a node of the cluster: its founding lines, its peers.
    #[arg(long, value_name = "DIR")]
    like: PathBuf,
    /// The address and port to listen on.
    #[arg(long, value_name = "HOST:PORT")]
    listen: String,
}

/// A node's directory.
#[derive(Debug, Args)]
pub struct NodeDir {
    /// The node's directory.
    dir: PathBuf,
}

/// Arguments of `cluster submit`.
#[derive(Debug, Args)]
pub struct Submit {
    /// The node's directory.
    dir: PathBuf,
    /// Signed statements, as `--out` writes them, one JSON object after the other; standard input
    /// for '-'. Also `{"type":"althing/close/v1","proposal_id":…}` and `althing/execute/v1`.
    file: PathBuf,
    /// How long to wait for each outcome, in seconds; as long as it takes where this is left out.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

/// How long a node may take to say how it is. One that hangs must not hang those who look after it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `althing cluster`.
pub fn run(command: &ClusterCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    match command {
        ClusterCommand::Init(arguments) => init(arguments, session, output),
        ClusterCommand::Join(arguments) => join(arguments, output),
        ClusterCommand::Run(node) => run_process(&node.dir),
        ClusterCommand::Status(node) => {
            let status = connect(&node.dir, Some(PATIENCE))?.status()?;
            output.report(&StatusReport { status })?;
            Ok(Exit::Ok)
        }
        ClusterCommand::Submit(arguments) => submit(arguments, output),
        ClusterCommand::Verify(node) => verify(&node.dir, output),
        ClusterCommand::Metrics(node) => {
            output.text(&connect(&node.dir, Some(PATIENCE))?.metrics()?)?;
            Ok(Exit::Ok)
        }
    }
}

#[derive(Serialize)]
struct NodesReport {
    ledger: Option<LedgerId>,
    nodes: Vec<NodeReport>,
}

#[derive(Serialize)]
struct NodeReport {
    directory: PathBuf,
    node: NodeId,
}

impl Report for NodesReport {
    const SCHEMA: &'static str = "althing.cluster-init/1";

    fn text(&self) -> String {
        let mut grid = Grid::new(&["node", "id"]);
        for node in &self.nodes {
            let directory = escaped(&node.directory.to_string_lossy());
            grid.row([directory, node.node.to_string()]);
        }
        let run = "start each with: althing cluster run DIR\n";
        format!("{}{run}", grid.text())
    }
}

fn nodes_report(prepared: Vec<Prepared>) -> NodesReport {
    NodesReport {
        ledger: prepared.first().map(|node| node.ledger),
        nodes: (prepared.into_iter())
            .map(|node| NodeReport {
                directory: node.dir,
                node: node.node,
            })
            .collect(),
    }
}

fn init(arguments: &Init, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let plan = Plan {
        name: arguments.name.clone(),
        nodes: arguments.nodes,
        port: arguments.port,
        policy: policy(&arguments.policy)?,
        at: session.now(),
        nonce: Uuid::new_v4().to_string(),
    };
    output.report(&nodes_report(setup::init(&arguments.dir, &plan)?))?;
    Ok(Exit::Ok)
}

fn join(arguments: &Join, output: &Output) -> Result<Exit, Failure> {
    let prepared = setup::join(&arguments.dir, &arguments.like, &arguments.listen)?;
    output.report(&nodes_report(vec![prepared]))?;
    Ok(Exit::Ok)
}

fn run_process(dir: &Path) -> Result<Exit, Failure> {
    let config = Config::read(dir).map_err(RunError::from)?;
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log)
        .map_err(|error| Failure::usage("cluster.log-filter", error.to_string()))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match run_node(dir)? {
        Ended::Asked | Ended::EngineStopped => Ok(Exit::Ok),
        Ended::CaughtUp => Err(run_again()),
    }
}

/// Replaces this process by a new one of the same kind; it returns only where that fails.
fn run_again() -> Failure {
    let arguments = std::env::args_os().skip(1);
    let error = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(arguments).exec(),
        Err(error) => error,
    };
    let message = format!("caught up, but this process can't be replaced: {error}");
    Failure::new(Exit::Failure, "cluster.run-again", message)
}

fn connect(dir: &Path, patience: Option<Duration>) -> Result<Client, Failure> {
    Ok(Client::connect(dir, patience)?)
}

#[derive(Serialize)]
struct StatusReport {
    #[serde(flatten)]
    status: Status,
}

impl Report for StatusReport {
    const SCHEMA: &'static str = "althing.cluster-status/1";

    fn text(&self) -> String {
        let status = &self.status;
        let role = if status.is_validator {
            format!(
                "decides with weight {} of {}",
                status.weight, status.weight_of_all
            )
        } else {
            "follows".to_owned()
        };
        fields(&[
            ("node", status.node.to_string()),
            ("role", role),
            ("height", status.height.to_string()),
            ("behind by", status.lag.to_string()),
            ("entries", status.entries.to_string()),
            ("head", status.head.to_string()),
            ("state hash", status.state_hash.to_string()),
            ("peers", status.peers.to_string()),
            ("waiting", status.waiting.to_string()),
        ])
    }
}

#[derive(Serialize)]
struct SubmitReport {
    results: Vec<Submitted>,
}

#[derive(Serialize)]
struct Submitted {
    r#type: String,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Report for SubmitReport {
    const SCHEMA: &'static str = "althing.cluster-submit/1";

    fn text(&self) -> String {
        let mut grid = Grid::new(&["statement", "height", "entries"]);
        for result in &self.results {
            let (height, entries) = match &result.outcome {
                Outcome::Recorded { height, entries } => {
                    let numbers: Vec<String> =
                        entries.iter().map(|entry| entry.seq.to_string()).collect();
                    (height, numbers.join(", "))
                }
                Outcome::Unchanged { height } => (height, "recorded before".to_owned()),
                Outcome::Refused { height, code, .. } => (height, format!("refused: {code}")),
            };
            grid.row([result.r#type.clone(), height.to_string(), entries]);
        }
        grid.text()
    }
}

/// Statements are ordered one after the other; the first that is refused ends the command.
fn submit(arguments: &Submit, output: &Output) -> Result<Exit, Failure> {
    let text = read_text(&arguments.file)?;
    let patience = arguments.timeout.map(|it| Duration::from_secs(it.max(1)));
    let mut client = connect(&arguments.dir, patience)?;
    let mut results = Vec::new();
    for object in serde_json::Deserializer::from_str(&text).into_iter::<Box<RawValue>>() {
        let object =
            object.map_err(|error| Failure::usage("statement.malformed", error.to_string()))?;
        let value: Value = serde_json::from_str(object.get()).unwrap_or_default();
        let kind = value
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        // A line is one object without line feeds.
        let line = object.get().replace(['\n', '\r'], " ");
        let outcome = client.submit(line)?;
        if let Outcome::Refused {
            height,
            code,
            message,
        } = &outcome
        {
            let before = serde_json::to_value(&results).unwrap_or_default();
            return Err(Failure::new(Exit::Refused, code, message)
                .detail("height", *height)
                .detail("statement", results.len() + 1)
                .detail("results", before));
        }
        results.push(Submitted {
            r#type: kind.to_owned(),
            outcome,
        });
    }
    if results.is_empty() {
        let message = "expected at least one statement, found none";
        return Err(Failure::usage("statement.missing", message));
    }
    output.report(&SubmitReport { results })?;
    Ok(Exit::Ok)
}

#[derive(Serialize)]
struct VerifyReport {
    ledger: LedgerId,
    origin: Digest,
    heights: u64,
    signatures: usize,
    entries: u64,
    head: Digest,
    state_hash: Digest,
}

impl Report for VerifyReport {
    const SCHEMA: &'static str = "althing.cluster-verify/1";

    fn text(&self) -> String {
        fields(&[
            ("ledger id", self.ledger.to_string()),
            ("origin", self.origin.to_string()),
            ("heights", self.heights.to_string()),
            ("signatures", self.signatures.to_string()),
            ("entries", self.entries.to_string()),
            ("head", self.head.to_string()),
            ("state hash", self.state_hash.to_string()),
        ])
    }
}

fn verify(dir: &Path, output: &Output) -> Result<Exit, Failure> {
    let found = audit(dir)?;
    output.report(&VerifyReport {
        ledger: found.ledger,
        origin: found.origin,
        heights: found.heights,
        signatures: found.signatures,
        entries: found.head.seq,
        head: found.head.hash,
        state_hash: found.state_hash,
    })?;
    Ok(Exit::Ok)
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        let exit = match &error {
            AuditError::Genesis(_) | AuditError::Open(_) | AuditError::Store(_) => Exit::Failure,
            AuditError::Founding(_) | AuditError::Differs(_) => Exit::ChainBroken,
            AuditError::Certificate { .. } => Exit::BadSignature,
            AuditError::Node(_) | AuditError::Value { .. } | AuditError::Illegal { .. } => {
                Exit::Illegal
            }
        };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::Refused { .. } => Exit::Usage,
            ClientError::NotRunning { .. } | ClientError::Broken { .. } => Exit::Failure,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = match &error {
            RunError::Key(_) | RunError::NoKey { .. } => Exit::NoAuthority,
            RunError::Config(_) | RunError::Address(_) => Exit::Usage,
            _ => Exit::Failure,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let exit = match &error {
            SetupError::Nodes { .. } | SetupError::Exists(_) | SetupError::Name(_) => Exit::Usage,
            _ => Exit::Failure,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}
