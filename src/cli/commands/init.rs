//! `althing init`: found a ledger.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::genesis_file::GenesisFile;
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file::{read_text, write_text};
use crate::cli::style::{bold, escaped, fields};
use crate::governance::decide::Context;
use crate::governance::digest::Digest;
use crate::governance::founding::{Founder, Founding};
use crate::governance::genesis::{Genesis, found};
use crate::governance::id::LedgerId;
use crate::governance::label::Name;
use crate::governance::policy::Policy;
use crate::governance::statement::Statement;
use crate::governance::weight::Weight;
use crate::identity::{MlDsaVerifier, PublicKeyExport};
use crate::node::Node;

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing key new clinic
  althing init --name hospitals --founder clinic
  althing init --name hospitals --founder clinic --founder university.pub.json:2
  althing init --name hospitals --founder a.pub.json --founder b.pub.json --out genesis.json
  althing genesis sign genesis.json --as a     (each founder, on its own machine)
  althing init --from genesis.json"
))]
pub struct Init {
    /// What the group calls itself.
    #[arg(long, required_unless_present = "from")]
    name: Option<Name>,
    /// A founding node: its public key export, or the name of a key of yours; then its weight.
    #[arg(
        long = "founder",
        value_name = "FILE[:WEIGHT]",
        required_unless_present = "from"
    )]
    founders: Vec<String>,
    /// The policy: a file as `althing policy template` prints it (what it leaves out is as by
    /// default), `default`, or `uniform` (two thirds of everything, nothing else).
    #[arg(long, value_name = "FILE|uniform", default_value = "default")]
    policy: String,
    /// Write the founding statement with the signatures that can be made here, and found nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    out: Option<PathBuf>,
    /// Found the ledger from a statement that every founder has signed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "founders"])]
    from: Option<PathBuf>,
}

#[derive(Serialize)]
struct InitReport {
    ledger: LedgerId,
    origin: Digest,
    name: Name,
    nodes: usize,
    total_weight: u64,
    entries: u64,
    directory: String,
}

impl Report for InitReport {
    const SCHEMA: &'static str = "althing.init/1";

    fn text(&self) -> String {
        let founded = format!(
            "{} with {} and a total weight of {}",
            bold(self.name.as_str()),
            crate::cli::style::plural(self.nodes, "node"),
            self.total_weight
        );
        fields(&[
            ("founded", founded),
            ("ledger id", self.ledger.to_string()),
            ("origin", self.origin.to_string()),
            ("directory", escaped(&self.directory)),
        ])
    }
}

/// Runs `althing init`.
pub fn run(init: &Init, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let file = match &init.from {
        Some(path) => GenesisFile::read(path)?,
        None => {
            let mut file = draw_up(init, session)?;
            sign_what_we_can(&mut file, session)?;
            file
        }
    };
    if let Some(path) = &init.out {
        write_text(path, &file.to_text()?, output)?;
        let missing = file.missing();
        if !missing.is_empty() {
            output.note(&format!("still to sign: {}", missing.join(", ")));
        }
        return Ok(Exit::Ok);
    }
    output.report(&found_ledger(&file.complete()?, session)?)?;
    Ok(Exit::Ok)
}

/// The founding statement that the arguments describe.
fn draw_up(init: &Init, session: &Session) -> Result<GenesisFile, Failure> {
    let name = init
        .name
        .clone()
        .ok_or_else(|| Failure::usage("genesis.name", "expected --name NAME"))?;
    let mut founders = Vec::new();
    let mut keys = Vec::new();
    for argument in &init.founders {
        let (export, weight) = founder(argument, session)?;
        founders.push(Founder {
            did: export.node_id(),
            name: node_name(&export)?,
            weight,
        });
        keys.push(export.public_key().clone());
    }
    let founding = Founding {
        created_at: session.now(),
        founders,
        name,
        nonce: Uuid::new_v4().to_string().parse().map_err(
            |error: crate::governance::label::ParseTextError| {
                Failure::new(Exit::Failure, "genesis.nonce", error.to_string())
            },
        )?,
        policy: policy(&init.policy)?,
    };
    let statement = Statement::new(founding)
        .map_err(|error| Failure::usage("genesis.statement", error.to_string()))?;
    Ok(GenesisFile::unsigned(statement, keys))
}

/// The node name in a public key export.
pub fn node_name(export: &PublicKeyExport) -> Result<Name, Failure> {
    export
        .name()
        .parse()
        .map_err(|error| Failure::usage("node.name", format!("{:?}: {error}", export.name())))
}

/// Reads `FILE[:WEIGHT]`. A file of that whole name comes first, so that colons are no trouble.
fn founder(argument: &str, session: &Session) -> Result<(PublicKeyExport, Weight), Failure> {
    let (file, weight) = match argument.rsplit_once(':') {
        Some((file, weight)) if !Path::new(argument).exists() => {
            let weight = weight.parse().map_err(|error| {
                Failure::usage("node.weight", format!("--founder {argument}: {error}"))
            })?;
            (file, weight)
        }
        _ => (argument, Weight::ONE),
    };
    Ok((public_key(file, session)?, weight))
}

/// A public key export in a file, or that of a key of the user's.
pub fn public_key(file: &str, session: &Session) -> Result<PublicKeyExport, Failure> {
    let path = Path::new(file);
    if !path.exists() && session.keys().public(file).is_ok() {
        return Ok(session.keys().public(file)?);
    }
    let opened = File::open(path).map_err(|error| {
        Failure::file(path, &error)
            .hint("give a public key export, or the name of a key in the key directory")
    })?;
    PublicKeyExport::read(opened).map_err(|error| {
        let mut failure = Failure::from(error);
        failure.message = format!("{}: {}", path.display(), failure.message);
        failure
    })
}

/// Reads a policy: `default`, `uniform` or a file.
pub fn policy(argument: &str) -> Result<Policy, Failure> {
    match argument {
        "default" => Ok(Policy::default()),
        "uniform" => Ok(Policy::uniform()),
        file => read_policy(Path::new(file), &Policy::default()),
    }
}

/// Reads a policy file. What it leaves out is as in `base`; `kinds`, where given, are all that depart
/// from its default rule.
pub fn read_policy(path: &Path, base: &Policy) -> Result<Policy, Failure> {
    let text = read_text(path)?;
    complete_policy(&text, base).map_err(|error| {
        Failure::usage("policy.malformed", format!("{}: {error}", path.display()))
            .hint("`althing policy template` prints a complete one to start from")
    })
}

fn complete_policy(text: &str, base: &Policy) -> Result<Policy, serde_json::Error> {
    let given: Map<String, Value> = serde_json::from_str(text)?;
    let mut policy = serde_json::to_value(base)?;
    for (name, value) in given {
        match (policy.get_mut(&name), value) {
            (Some(Value::Object(rule)), Value::Object(given)) if name == "default" => {
                rule.extend(given);
            }
            (_, value) => policy[name] = value,
        }
    }
    serde_json::from_value(policy)
}

/// Adds the signatures of all founders whose keys are here.
fn sign_what_we_can(file: &mut GenesisFile, session: &Session) -> Result<(), Failure> {
    let message = file.statement.message();
    for founder in &mut file.founders {
        if let Some(name) = session.keys().find_by_key(&founder.key)? {
            let signer = session.signer(&name)?;
            let signature = signer.key.sign_message(&message)?;
            founder.signature = Some(signature);
        }
    }
    Ok(())
}

fn found_ledger(genesis: &Genesis, session: &Session) -> Result<InitReport, Failure> {
    let at = session.now();
    let verifier = MlDsaVerifier;
    // Nothing is left behind by a founding that the rules refuse.
    found(
        genesis,
        &Context {
            at,
            verifier: &verifier,
        },
    )?;
    let ledger = session.create_ledger()?;
    let node = Node::found(ledger, genesis, at)?;
    let state = node.state();
    Ok(InitReport {
        ledger: state.ledger(),
        origin: state.identity().origin,
        name: state.identity().name.clone(),
        nodes: state.registry().len(),
        total_weight: state.registry().active_weight().get(),
        entries: state.entries(),
        directory: session.ledger_name(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_file_leaves_out_is_as_by_default() {
        let default = Policy::default();
        let quorum = r#"{"default": {"quorum": "1/2"}}"#;
        let policy = complete_policy(quorum, &default).unwrap();
        assert_eq!(policy.default.quorum, "1/2".parse().ok());
        assert_eq!(policy.default.approval, default.default.approval);
        assert_eq!(policy.kinds, default.kinds);
        let kinds = r#"{"kinds": {}, "early_decision": false}"#;
        let policy = complete_policy(kinds, &default).unwrap();
        assert!(policy.kinds.is_empty() && !policy.early_decision);
        let whole = serde_json::to_string(&Policy::uniform()).unwrap();
        assert_eq!(
            complete_policy(&whole, &default).unwrap(),
            Policy::uniform()
        );
        for bad in [
            "[]",
            r#"{"quorum": "1/2"}"#,
            r#"{"default": {"x": 1}}"#,
            r#"{"default": 1}"#,
        ] {
            assert!(complete_policy(bad, &default).is_err(), "{bad}");
        }
    }
}
