//! Where a ledger's table is: a URL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use postgres::Config;
use postgres::config::{Host, SslMode, TargetSessionAttrs};

/// The schema where none is named.
const SCHEMA: &str = "althing";

/// The longest name of a schema: PostgreSQL cuts longer ones off.
const MAX_SCHEMA_BYTES: usize = 63;

/// A database, and the schema in it that holds one ledger.
///
/// `postgres://user@host1,host2/database?schema=althing&sslrootcert=/etc/ssl/ca.pem`. Besides what
/// `tokio-postgres` takes: `schema`, and `sslrootcert`, the authorities whose certificates are believed
/// instead of the system's. `sslmode` is `require` unless all hosts are this machine; the server's
/// certificate and name are always checked, so `verify-full` says the same.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) schema: String,
    pub(super) root_certificates: Option<PathBuf>,
}

/// A text is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is none of PostgreSQL.
    #[error("expected a URL such as postgres://user@host/database: {0}")]
    Malformed(String),
    /// The name of the schema is not one.
    #[error(
        "expected a schema of 1 to 63 lowercase letters, digits and underscores that does not start \
         with a digit, found {0:?}"
    )]
    Schema(String),
}

impl AddressError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "postgres.url",
            Self::Schema(_) => "postgres.schema-name",
        }
    }
}

impl Address {
    fn check_schema(self) -> Result<Self, AddressError> {
        let name = &self.schema;
        let is_name = (1..=MAX_SCHEMA_BYTES).contains(&name.len())
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if is_name {
            Ok(self)
        } else {
            Err(AddressError::Schema(self.schema))
        }
    }

    /// A connection in the clear is only ever asked for by name, or within one machine.
    fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost"
                    || name
                        .parse()
                        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
        })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut schema = SCHEMA.to_owned();
        let mut root_certificates = None;
        let mut is_mode_given = false;
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut left = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("schema", name)) => name.clone_into(&mut schema),
                Some(("sslrootcert", path)) => root_certificates = Some(PathBuf::from(path)),
                Some(("sslmode", mode)) => {
                    is_mode_given = true;
                    let mode = match mode {
                        "verify-full" | "verify-ca" => "require",
                        other => other,
                    };
                    left.push(format!("sslmode={mode}"));
                }
                _ => left.push(parameter.to_owned()),
            }
        }
        let url = if left.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", left.join("&"))
        };
        let mut config = Config::from_str(&url)
            .map_err(|error| AddressError::Malformed(with_sources(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(AddressError::Malformed("it names no host".to_owned()));
        }
        // A standby takes nothing, and may lag behind what was acknowledged.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let mut address = Self {
            config,
            schema,
            root_certificates,
        };
        if !is_mode_given {
            let is_local = address.is_local();
            let mode = if is_local {
                SslMode::Disable
            } else {
                SslMode::Require
            };
            address.config.ssl_mode(mode);
        }
        address.check_schema()
    }
}

/// Without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                Host::Unix(path) => write!(f, "{}", path.display())?,
            }
            if let Some(port) = ports.get(index).or_else(|| ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())?;
        if self.schema != SCHEMA {
            write!(f, "?schema={}", self.schema)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// An error with its reasons, which the library keeps apart.
pub(super) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        source = error.source();
    }
    text
}
