//! `althing policy`: the policy in force, and a template for another.

use clap::{Args, Subcommand};

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::governance::policy::Policy;

/// Show policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the policy in force.
    #[command(after_long_help = help!("  althing policy show"))]
    Show,
    /// Print a complete policy to start from, as `init --policy FILE` and `propose update-policy
    /// --file FILE` read it.
    #[command(after_long_help = help!(
        "  althing policy template > policy.json\n  althing policy template --uniform"
    ))]
    Template(Template),
}

/// Arguments of `policy template`.
#[derive(Debug, Args)]
pub struct Template {
    /// Two thirds of everything and nothing else, instead of the default policy.
    #[arg(long)]
    uniform: bool,
}

/// Runs `althing policy`.
pub fn run(command: &PolicyCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let policy = match command {
        PolicyCommand::Show => session.read()?.state.policy().clone(),
        PolicyCommand::Template(Template { uniform: true }) => Policy::uniform(),
        PolicyCommand::Template(Template { uniform: false }) => Policy::default(),
    };
    let written = if output.is_json() {
        serde_json::to_string(&policy)
    } else {
        serde_json::to_string_pretty(&policy)
    };
    let text = written
        .map_err(|error| Failure::new(Exit::Failure, "policy.unwritable", error.to_string()))?;
    output.text(&format!("{text}\n"))?;
    Ok(Exit::Ok)
}
