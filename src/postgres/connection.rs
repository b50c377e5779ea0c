//! A connection that is made again where it breaks.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postgres::config::SslMode;
use postgres::error::{DbError, SqlState};
use postgres::{Client, Statement};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, with_sources};
use super::watch::Watch;

/// How long one host is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may be silent before the server is asked whether it lives, and how often.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long what was sent may stay without an answer of the server's machine.
const SILENCE: Duration = Duration::from_secs(20);

/// A connection with what was noticed on it.
pub(super) struct Connection {
    pub(super) client: Client,
    /// The statement that inserts a batch, once it was needed.
    insert: Option<Statement>,
    /// Whether the server warned that a commit may not have reached its standbys.
    is_in_doubt: Arc<AtomicBool>,
    /// How a watch speaks to the server.
    tls: Option<ClientConfig>,
    watch: Option<Arc<Watch>>,
}

/// There is no connection.
pub(super) struct Unconnected {
    pub(super) error: io::Error,
    /// Whether it may help to wait.
    pub(super) may_pass: bool,
}

impl Unconnected {
    fn of_server(error: &postgres::Error) -> Self {
        Self {
            error: io::Error::other(with_sources(error)),
            may_pass: is_of_the_connection(error),
        }
    }
}

impl From<io::Error> for Unconnected {
    fn from(error: io::Error) -> Self {
        Self {
            error,
            may_pass: false,
        }
    }
}

impl Connection {
    /// Connects to the first host that takes writes.
    pub(super) fn open(address: &Address) -> Result<Self, Unconnected> {
        let mut config = address.config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.keepalives_idle(KEEPALIVE);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.application_name("althing");
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        let is_in_doubt = Arc::new(AtomicBool::new(false));
        let doubt = Arc::clone(&is_in_doubt);
        let notice = move |notice: DbError| {
            if *notice.code() == SqlState::WARNING {
                doubt.store(true, Ordering::SeqCst);
            }
        };
        config.notice_callback(notice);
        let tls = match address.config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(client_config(address.root_certificates.as_deref())?),
        };
        let connected = match &tls {
            None => config.connect(postgres::NoTls),
            Some(tls) => config.connect(MakeRustlsConnect::new(tls.clone())),
        };
        let mut client = connected.map_err(|error| Unconnected::of_server(&error))?;
        insist_on_durability(&mut client).map_err(|error| Unconnected::of_server(&error))?;
        Ok(Self {
            client,
            insert: None,
            is_in_doubt,
            tls,
            watch: None,
        })
    }

    /// What ends an append that takes longer than `limit`.
    pub(super) fn watch(&mut self, limit: Duration) -> io::Result<Arc<Watch>> {
        if let Some(watch) = &self.watch {
            return Ok(Arc::clone(watch));
        }
        let watch = Watch::start(self.client.cancel_token(), self.tls.clone(), limit)?;
        Ok(Arc::clone(self.watch.insert(Arc::new(watch))))
    }

    /// The statement that inserts a batch: its first and last number, its hash, its lines.
    pub(super) fn prepared_insert(&mut self, schema: &str) -> Result<Statement, postgres::Error> {
        if let Some(insert) = &self.insert {
            return Ok(insert.clone());
        }
        let insert = self.client.prepare(&format!(
            "INSERT INTO {schema}.batches (first, last, hash, lines) VALUES ($1, $2, $3, $4)"
        ))?;
        Ok(self.insert.insert(insert).clone())
    }

    /// Whether the server warned of a commit that may not be durable since this was last asked.
    pub(super) fn take_doubt(&self) -> bool {
        self.is_in_doubt.swap(false, Ordering::SeqCst)
    }
}

/// A server may be set up to acknowledge what is not on its disk.
fn insist_on_durability(client: &mut Client) -> Result<(), postgres::Error> {
    let row = client.query_one("SELECT current_setting('synchronous_commit')", &[])?;
    if matches!(row.get::<_, &str>(0), "off" | "local") {
        client.batch_execute("SET synchronous_commit = on")?;
    }
    Ok(())
}

fn client_config(roots: Option<&Path>) -> io::Result<ClientConfig> {
    let mut store = RootCertStore::empty();
    match roots {
        Some(path) => {
            let pem = fs::read(path)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let bad = |error: &dyn std::error::Error| {
                    io::Error::other(format!("{}: {error}", path.display()))
                };
                let certificate = certificate.map_err(|error| bad(&error))?;
                store.add(certificate).map_err(|error| bad(&error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(config)
}

/// Whether trying again, on another connection, may help: the server is gone, going or not the primary.
pub(super) fn is_of_the_connection(error: &postgres::Error) -> bool {
    if error.is_closed() {
        return true;
    }
    match error.code() {
        None => true,
        Some(code) => {
            let class = code.code();
            // Connection exceptions, operator intervention, a transaction that was rolled back for
            // others' sake, and a server that has become a standby.
            class.starts_with("08")
                || class.starts_with("57P")
                || class.starts_with("40")
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        }
    }
}

/// Whether the constraints refused a batch: the head is another, or the batch is there already.
pub(super) fn is_conflict(error: &postgres::Error) -> bool {
    let conflicts = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::INTEGRITY_CONSTRAINT_VIOLATION,
    ];
    error.code().is_some_and(|code| conflicts.contains(code))
}
