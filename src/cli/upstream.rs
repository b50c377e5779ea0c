//! Where `--ledger` names a database: the copy of its ledger on this machine.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Failure;
use crate::governance::digest::Digest;
use crate::ledger::{FileLedger, OpenError, OpenOptions, Upstream, Wait};

/// The upstream that `ledger` names; `None` where it is a directory. `wait` is how long it is waited for at
/// first, and `tell` is told of that.
pub fn named(
    ledger: &Path,
    wait: Wait,
    tell: impl Fn(&str) + Send + Sync + 'static,
) -> Result<Option<Arc<dyn Upstream>>, Failure> {
    let url = ledger
        .to_str()
        .filter(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"));
    url.map(|url| table(url, wait, tell)).transpose()
}

#[cfg(feature = "postgres")]
fn table(
    url: &str,
    wait: Wait,
    tell: impl Fn(&str) + Send + Sync + 'static,
) -> Result<Arc<dyn Upstream>, Failure> {
    use crate::postgres::{Address, AddressError, Table};

    let address: Address = url
        .parse()
        .map_err(|error: AddressError| Failure::usage(error.code(), error.to_string()))?;
    Ok(Arc::new(Table::new(address).waiting(wait).telling(tell)))
}

#[cfg(not(feature = "postgres"))]
fn table(
    _: &str,
    _: Wait,
    _: impl Fn(&str) + Send + Sync + 'static,
) -> Result<Arc<dyn Upstream>, Failure> {
    Err(Failure::usage(
        "postgres.not-built",
        "this program was built without the feature `postgres`",
    )
    .hint("cargo install althing --features postgres"))
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
