//! `althing export --format segments`: a ledger's files.

use super::{Export, check};
use crate::cli::commands::import::append_all;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::upstream::open_copy;
use crate::ledger::{Ledger as _, OpenOptions};

/// Writes the files of a ledger that verifies, as if it had always been kept there.
pub(super) fn run(export: &Export, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let Some(dir) = &export.out else {
        return Err(Failure::usage(
            "export.no-directory",
            "expected a directory for the segments",
        ));
    };
    check(session, output)?;
    let source = session.open_intact_reader()?;
    let mut copy = open_copy(dir, OpenOptions::default())?;
    append_all(&source, &mut copy)?;
    output.note(&format!("exported {} entries", copy.head().seq));
    Ok(Exit::Ok)
}
