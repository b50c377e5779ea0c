//! `althing checkpoint show`: what a checkpoint says, without checking anything.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Of, read};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::style::{Grid, dim, escaped, fields};

/// Arguments of `checkpoint show`.
#[derive(Debug, Args)]
#[command(after_long_help = help!("  althing checkpoint show checkpoint.txt"))]
pub struct Show {
    /// The checkpoint; standard input for '-'.
    file: PathBuf,
}

#[derive(Serialize)]
struct ShowReport {
    #[serde(flatten)]
    of: Of,
    signatures: Vec<SignatureLine>,
}

#[derive(Serialize)]
struct SignatureLine {
    name: String,
    key_id: String,
}

impl Report for ShowReport {
    const SCHEMA: &'static str = "althing.checkpoint-show/1";

    fn text(&self) -> String {
        let mut text = fields(&self.of.fields());
        if !self.signatures.is_empty() {
            let mut grid = Grid::new(&["signature line of", "key id"]);
            for line in &self.signatures {
                grid.row([escaped(&line.name), line.key_id.clone()]);
            }
            text.push('\n');
            text.push_str(&grid.text());
        }
        text.push_str(&dim(
            "Nothing was checked: see `althing checkpoint verify`.\n",
        ));
        text
    }
}

/// Runs `althing checkpoint show`.
pub(super) fn run(show: &Show, output: &Output) -> Result<Exit, Failure> {
    let checkpoint = read(&show.file)?;
    let lines = checkpoint.note().signatures().iter();
    output.report(&ShowReport {
        of: Of::from(checkpoint.head()),
        signatures: lines
            .map(|line| SignatureLine {
                name: line.name.clone(),
                key_id: format!("{:08x}", u32::from_be_bytes(line.key_id)),
            })
            .collect(),
    })?;
    Ok(Exit::Ok)
}
