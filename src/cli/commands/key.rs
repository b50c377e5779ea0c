//! `althing key`: make and show keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::{Grid, bold, escaped, fields};
use crate::governance::id::NodeId;
use crate::governance::key::Algorithm;
use crate::identity::{PublicKeyExport, StoredSecret};

/// Make and show keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key.
    #[command(after_long_help = help!(
        "  althing key new clinic\n  althing key new clinic --passphrase --algorithm ML-DSA-87"
    ))]
    New(New),
    /// List the keys in the key directory.
    #[command(after_long_help = help!("  althing key list"))]
    List,
    /// Show one key.
    #[command(after_long_help = help!("  althing key show clinic"))]
    Show(Name),
    /// Write the public part of a key, with the proof that you hold its secret.
    #[command(after_long_help = help!("  althing key export clinic --public > clinic.pub.json"))]
    Export(Export),
}

/// Arguments of `key new`.
#[derive(Debug, Args)]
pub struct New {
    /// What to call the key and the node: letters, digits, '.', '_' and '-'.
    name: String,
    /// ML-DSA-44, ML-DSA-65 or ML-DSA-87 (FIPS 204).
    #[arg(long, default_value_t = Algorithm::default())]
    algorithm: Algorithm,
    /// Encrypt the key with a passphrase.
    #[arg(long)]
    passphrase: bool,
}

/// The name of a key.
#[derive(Debug, Args)]
pub struct Name {
    /// The key's name.
    name: String,
}

/// Arguments of `key export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The key's name.
    name: String,
    /// Export the public part; the secret never leaves the key directory by a command.
    #[arg(long, required = true)]
    public: bool,
    /// Where to write it; standard output for '-'.
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

#[derive(Serialize)]
struct KeyReport {
    name: String,
    did: NodeId,
    algorithm: Algorithm,
    encrypted: bool,
    files: PathBuf,
}

impl Report for KeyReport {
    const SCHEMA: &'static str = "althing.key/1";

    fn text(&self) -> String {
        fields(&[
            ("key", bold(&self.name)),
            ("node id", self.did.to_string()),
            ("algorithm", self.algorithm.to_string()),
            (
                "passphrase",
                if self.encrypted { "yes" } else { "no" }.to_owned(),
            ),
            ("directory", escaped(&self.files.to_string_lossy())),
        ])
    }
}

#[derive(Serialize)]
struct KeyList {
    keys: Vec<KeyReport>,
}

impl Report for KeyList {
    const SCHEMA: &'static str = "althing.keys/1";

    fn text(&self) -> String {
        if self.keys.is_empty() {
            return "no keys here; `althing key new NAME` makes one\n".to_owned();
        }
        let mut grid = Grid::new(&["name", "algorithm", "passphrase", "node id"]);
        for key in &self.keys {
            let passphrase = if key.encrypted { "yes" } else { "no" };
            grid.row([
                key.name.clone(),
                key.algorithm.to_string(),
                passphrase.to_owned(),
                key.did.to_string(),
            ]);
        }
        grid.text()
    }
}

/// Runs `althing key`.
pub fn run(command: &Key, session: &Session, output: &Output) -> Result<Exit, Failure> {
    match command {
        Key::New(new) => create(new, session, output)?,
        Key::List => output.report(&list(session)?)?,
        Key::Show(name) => output.report(&show(&name.name, session)?)?,
        Key::Export(export) => {
            let line = session.keys().public(&export.name)?.to_line();
            statement_file::write_text(&export.out, &line, output)?;
        }
    }
    Ok(Exit::Ok)
}

fn create(new: &New, session: &Session, output: &Output) -> Result<(), Failure> {
    let passphrase = if new.passphrase {
        let given = session.passphrase("New passphrase: ")?;
        let given = given.filter(|text| !text.is_empty()).ok_or_else(|| {
            Failure::new(
                Exit::NoAuthority,
                "key.passphrase",
                "expected a passphrase, found none",
            )
            .hint("type one, or name a file that holds it with --passphrase-file FILE")
        })?;
        Some(given)
    } else {
        None
    };
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    let export = session
        .keys()
        .create(&new.name, new.algorithm, passphrase)?;
    output.report(&report(&new.name, &export, passphrase.is_some(), session))
}

fn report(name: &str, export: &PublicKeyExport, encrypted: bool, session: &Session) -> KeyReport {
    KeyReport {
        name: name.to_owned(),
        did: export.node_id(),
        algorithm: export.algorithm(),
        encrypted,
        files: session.keys().dir().to_owned(),
    }
}

fn list(session: &Session) -> Result<KeyList, Failure> {
    let keys = session.keys().list()?.into_iter();
    Ok(KeyList {
        keys: keys
            .map(|key| {
                let encrypted = key.secret == StoredSecret::Encrypted;
                report(&key.name, &key.export, encrypted, session)
            })
            .collect(),
    })
}

fn show(name: &str, session: &Session) -> Result<KeyReport, Failure> {
    let public = session.keys().public(name)?;
    let all = session.keys().list()?;
    let encrypted = all
        .iter()
        .any(|key| key.name == name && key.secret == StoredSecret::Encrypted);
    Ok(report(name, &public, encrypted, session))
}
