//! `althing serve`: answer programs on other machines over HTTP.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::bold;
use crate::ledger::FileLedger;
use crate::node::Node;
use crate::node::reported::Intake;
use crate::server::{
    Access, BindError, Config, Limits, Program, ServeError, TlsFiles, serve as run_service,
};

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing serve
  althing serve --listen 127.0.0.1:8080 --log-format json
  althing serve --sign-as clinic
  althing serve --listen 0.0.0.0:8443 --tls-cert server.pem --tls-key server.key

Only this machine can connect unless told otherwise. Other machines take TLS, or a proxy that has it:
--insecure says that there is one. Predictions always take a token, see `althing token`; reading and
statements take one where other machines can connect. With --sign-as, whoever has a token with the scope
`sign` can have that node propose, vote and withdraw. Ends on SIGTERM and SIGINT, when everything that
was taken is answered. Other commands can write to the ledger meanwhile."
))]
pub struct Serve {
    /// Where to listen: an address and a port; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8460")]
    listen: SocketAddr,
    /// The certificate for TLS, and those above it, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Listen to other machines without TLS.
    #[arg(long)]
    insecure: bool,
    /// Who may read and hand in statements without a token. [default: open on this machine, tokens
    /// elsewhere]
    #[arg(long, value_name = "WHO")]
    access: Option<WhoMay>,
    /// Sign proposals, votes and withdrawals with this key, for tokens with the scope `sign`.
    #[arg(long, value_name = "NODE")]
    sign_as: Option<String>,
    /// Keep user ids of predictions as they are, instead of their keyed hash.
    #[arg(long)]
    plain_user_id: bool,
    /// Hash inputs of predictions under the secret of the key directory.
    #[arg(long)]
    keyed_input: bool,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Bytes of a body.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().body_bytes)]
    max_body: usize,
    /// Requests that may wait to be written.
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue)]
    max_queue: usize,
    /// Requests a second of one client, on average. [default: as many as it likes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long a client may take to send a request, or to take in an answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().patience.as_secs())]
    patience: u64,
    /// How long requests may take to end when the process is told to end, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    grace: u64,
    /// What to log, as `tracing` filters are written.
    #[arg(
        long,
        value_name = "FILTER",
        env = "ALTHING_LOG",
        default_value = "info"
    )]
    log: String,
    /// How to log.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// Who may do without a token.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WhoMay {
    /// Anyone who can connect.
    Open,
    /// Nobody.
    Tokens,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the service listens.
#[derive(Serialize)]
struct ServeReport {
    url: String,
    address: SocketAddr,
    tls: bool,
}

impl Report for ServeReport {
    const SCHEMA: &'static str = "althing.serve/1";

    fn text(&self) -> String {
        format!("listening on {}\n", bold(&self.url))
    }
}

/// Runs `althing serve`.
pub fn run(serve: &Serve, session: Session, output: &Output) -> Result<Exit, Failure> {
    session.catch_up()?;
    // A mistyped directory is said at once, not in a log.
    crate::ledger::check_exists(session.ledger_dir())?;
    log(serve)?;
    let config = config(serve, &session)?;
    let tls = config.tls.is_some();
    let mut unsaid = None;
    let listening = |address: SocketAddr| {
        let scheme = if tls { "https" } else { "http" };
        let url = format!("{scheme}://{address}");
        let report = ServeReport { url, address, tls };
        unsaid = output.report(&report).err();
    };
    let ended = run_service(config, Opened { session }, listening);
    match (ended, unsaid) {
        (Err(error), _) => Err(failure(error)),
        (Ok(()), Some(failure)) => Err(failure),
        (Ok(()), None) => Ok(Exit::Ok),
    }
}

fn config(serve: &Serve, session: &Session) -> Result<Config, Failure> {
    let signer = serve.sign_as.as_deref().map(|name| session.signer(name));
    let tls = (serve.tls_cert.clone().zip(serve.tls_key.clone()))
        .map(|(certificate, key)| TlsFiles { certificate, key });
    let access = match serve.access {
        Some(WhoMay::Open) => Access::Open,
        None if serve.listen.ip().is_loopback() => Access::Open,
        Some(WhoMay::Tokens) | None => Access::Tokens,
    };
    Ok(Config {
        listen: serve.listen,
        tls,
        insecure: serve.insecure,
        access,
        signer: signer.transpose()?,
        ledger: session.ledger_dir().clone(),
        snapshots: session.quiet_snapshots(),
        intake: Intake::new(session.keys().dir())
            .with_plain_user_ids(serve.plain_user_id)
            .with_keyed_inputs(serve.keyed_input),
        wait: session.wait(),
        limits: Limits {
            connections: serve.max_connections.max(1),
            body_bytes: serve.max_body,
            queue: serve.max_queue.max(1),
            rate: serve.rate,
            patience: Duration::from_secs(serve.patience.max(1)),
            ..Limits::default()
        },
        grace: Duration::from_secs(serve.grace),
    })
}

/// Opens the ledger as every command does.
struct Opened {
    session: Session,
}

impl Program for Opened {
    type Error = Failure;

    fn open(&mut self) -> Result<Node<FileLedger>, Failure> {
        self.session.open_node()
    }

    fn close(&mut self, node: &Node<FileLedger>) {
        self.session.close(node);
    }
}

fn log(serve: &Serve) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&serve.log)
        .map_err(|error| Failure::usage("server.log-filter", error.to_string()))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match serve.log_format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    Ok(())
}

fn failure(error: ServeError<Failure>) -> Failure {
    match error {
        ServeError::Open(failure) => failure,
        ServeError::Bind(error @ BindError::Insecure(_)) => {
            Failure::usage(error.code(), error.to_string())
                .hint("give --tls-cert and --tls-key, or --insecure where a proxy does TLS")
        }
        ServeError::Bind(error) => Failure::new(Exit::Failure, error.code(), error.to_string()),
        ServeError::Runtime(error) => {
            Failure::new(Exit::Failure, "server.runtime", error.to_string())
        }
    }
}
