//! Where `--ledger` names a database: the copy of its ledger on this machine.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Failure;
use crate::governance::digest::Digest;
use crate::ledger::{FileLedger, OpenError, OpenOptions, Upstream};

/// The upstream that `ledger` names; `None` where it is a directory.
#[cfg(feature = "postgres")]
pub fn named(ledger: &Path) -> Result<Option<Arc<dyn Upstream>>, Failure> {
    use crate::postgres::{Address, Table};

    let Some(url) = ledger.to_str().filter(|text| Address::is_one(text)) else {
        return Ok(None);
    };
    let address: Address = url
        .parse()
        .map_err(|error: crate::postgres::AddressError| {
            Failure::usage(error.code(), error.to_string())
        })?;
    Ok(Some(Arc::new(Table::new(address))))
}

/// Only directories are known.
#[cfg(not(feature = "postgres"))]
pub fn named(ledger: &Path) -> Result<Option<Arc<dyn Upstream>>, Failure> {
    let is_url = ledger
        .to_str()
        .is_some_and(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"));
    if is_url {
        return Err(Failure::usage(
            "postgres.not-built",
            "this program was built without the feature `postgres`",
        )
        .hint("cargo install althing --features postgres"));
    }
    Ok(None)
}

/// Where the copy of an upstream is kept, below the user's state directory.
pub fn copy_of(upstream: &dyn Upstream, state: &Path) -> PathBuf {
    let name = Digest::of(upstream.name().as_bytes());
    state.join("copies").join(name.to_string())
}

/// Makes the place of a copy, for nobody else to look at, as all of a user's state.
pub fn make_place(copy: &Path) -> Result<(), Failure> {
    let place = copy.parent().unwrap_or(copy);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place)
        .map_err(|error| Failure::file(place, &error))
}

/// Opens a ledger, or begins one.
pub fn open_copy(dir: &Path, options: OpenOptions) -> Result<FileLedger, OpenError> {
    match FileLedger::open_with(dir, options) {
        Err(OpenError::NotFound { .. } | OpenError::NotInitialized { .. }) => {
            FileLedger::create(dir)
        }
        opened => opened,
    }
}
