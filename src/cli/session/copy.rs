//! Where the ledger's directory is a copy of what is kept elsewhere.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Session;
use crate::chain::line::Head;
use crate::chain::place::Prefix;
use crate::cli::error::Failure;
use crate::cli::upstream;
use crate::ledger::upstream::compare;
use crate::ledger::{
    FileLedger, Ledger as _, LedgerReader, OpenError, OpenOptions, UnreadLedger, Upstream,
};

impl Session {
    /// Holds what the ledger is a copy of to the copy, byte by byte, if it is one; its name.
    pub fn compare_with_upstream(&self) -> Result<Option<String>, Failure> {
        let Some(upstream) = &self.upstream else {
            return Ok(None);
        };
        let reader = LedgerReader::open(&self.ledger)?;
        compare(upstream.as_ref(), reader.reader())?;
        Ok(Some(upstream.name()))
    }

    /// Lets a copy be fetched anew, for who knows why the upstream holds another history; where the old
    /// one is kept. Nothing where there is none.
    pub fn set_copy_aside(&self) -> Result<Option<String>, Failure> {
        if self.upstream.is_none() || !self.ledger.exists() {
            return Ok(None);
        }
        let kept = (1_u32..)
            .map(|number| self.ledger.with_extension(format!("old-{number}")))
            .find(|kept| !kept.exists());
        let kept = kept.unwrap_or_default();
        fs::rename(&self.ledger, &kept).map_err(|error| Failure::file(&self.ledger, &error))?;
        Ok(Some(kept.display().to_string()))
    }

    /// Waits until somebody appends, or for so long.
    pub fn wait_for_more(&self, at_most: Duration) -> Result<(), Failure> {
        match &self.upstream {
            Some(upstream) => {
                upstream.wait_for_more(at_most)?;
                self.take_what_is_new()
            }
            None => {
                std::thread::sleep(at_most);
                Ok(())
            }
        }
    }

    /// Takes what others appended, where the ledger is a copy, once in a command: it is one look at the
    /// ledger.
    pub fn catch_up(&self) -> Result<(), Failure> {
        if !self.is_caught_up.get() {
            self.take_what_is_new()?;
            self.is_caught_up.set(true);
        }
        Ok(())
    }

    /// Takes what others appended, where the ledger is a copy. While another process of this user does
    /// so, what that has taken is what there is.
    pub fn take_what_is_new(&self) -> Result<(), Failure> {
        let Some(upstream) = &self.upstream else {
            return Ok(());
        };
        upstream.check()?;
        upstream::make_place(&self.ledger)?;
        let options = OpenOptions {
            wait: self.wait(),
            prefix: self.known_prefix(),
            ..OpenOptions::default()
        };
        match upstream::open_copy(&self.ledger, options) {
            Ok(mut copy) => Ok(copy.catch_up(upstream.as_ref())?),
            Err(OpenError::InUse { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What the ledger's directory is to take the rest from once it is opened, so that it is read once; one
    /// that holds nothing yet is fetched first.
    pub fn to_catch_up_with(&self) -> Result<Option<Arc<dyn Upstream>>, Failure> {
        let Some(upstream) = &self.upstream else {
            return Ok(None);
        };
        let copy = UnreadLedger::list(&self.ledger);
        if self.is_caught_up.get() || copy.is_none_or(|copy| copy.bytes() == 0) {
            self.catch_up()?;
            return Ok(None);
        }
        upstream.check()?;
        self.is_caught_up.set(true);
        Ok(Some(Arc::clone(upstream)))
    }

    /// What a snapshot stands for need not be read to open the copy.
    fn known_prefix(&self) -> Option<Prefix> {
        let snapshot = self.snapshots()?.find().snapshot?;
        Some(snapshot.header().prefix())
    }

    /// Makes an empty ledger to found one on.
    pub fn create_ledger(&self) -> Result<FileLedger, Failure> {
        if self.upstream.is_none() {
            return Ok(FileLedger::create(&self.ledger)?);
        }
        let ledger = self.open_or_create_ledger()?;
        if *ledger.head() != Head::GENESIS {
            let path = PathBuf::from(self.ledger_name());
            return Err(OpenError::Exists { path }.into());
        }
        Ok(ledger)
    }

    /// Opens the ledger for writing, or makes an empty one.
    pub fn open_or_create_ledger(&self) -> Result<FileLedger, Failure> {
        let options = OpenOptions::from(self.wait());
        let Some(upstream) = &self.upstream else {
            return Ok(upstream::open_copy(&self.ledger, options)?);
        };
        upstream.set_up()?;
        upstream::make_place(&self.ledger)?;
        let mut ledger = upstream::open_copy(&self.ledger, options)?;
        ledger.follow(Arc::clone(upstream));
        ledger.resume(self.wait())?;
        Ok(ledger)
    }

    /// What the user calls the ledger's place.
    pub fn ledger_name(&self) -> String {
        match &self.upstream {
            Some(upstream) => upstream.name(),
            None => self.ledger.display().to_string(),
        }
    }
}
