//! The arguments of every command.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::commands;
use super::exit::help;
use crate::governance::time::Timestamp;

/// A ledger of signed, weighted decisions about which AI models may run and which agents may act.
#[derive(Debug, Parser)]
#[command(
    name = "althing",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_long_help = help!(
        "  althing demo
  althing key new clinic
  althing init --name hospitals --founder clinic --founder university.pub.json:2
  althing propose authorize-model did:example:triage --title 'Triage 1.2' --as clinic
  althing vote 3f2a approve --as clinic
  althing authorization check did:example:triage --kind model
  althing verify

Every command has its own examples: althing COMMAND --help"
    )
)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The directory of the ledger, or the URL of its database: postgres://user@host/database.
    /// [default: ./althing-ledger]
    #[arg(
        long,
        global = true,
        env = "ALTHING_LEDGER",
        value_name = "DIR|URL",
        hide_env_values = true
    )]
    pub ledger: Option<PathBuf>,
    /// The directory of your keys. [default: althing/keys in the user's data directory]
    #[arg(long, global = true, env = "ALTHING_KEYS", value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// The directory of what is remembered between runs: how far each ledger had grown, and more.
    /// [default: althing in the user's state directory]
    #[arg(long, global = true, env = "ALTHING_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Use no snapshot, and take none by itself.
    #[arg(long, global = true)]
    pub no_snapshot: bool,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// When to color text.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
    /// Say on standard error what was read.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Print no text, only failures.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Never ask for anything.
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Read the passphrase of a key from the first line of this file.
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The writer's time instead of the clock's, for rehearsals and tests.
    #[arg(long, global = true, value_name = "RFC3339", value_parser = parse_time)]
    pub now: Option<Timestamp>,
    /// How long to wait while another process writes, in seconds.
    #[arg(long, global = true, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// When to color text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands, in the order of a ledger's life.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell the whole story on a fresh ledger.
    Demo(commands::demo::Demo),
    /// Make and show keys.
    #[command(subcommand, after_long_help = help!("  althing key new clinic\n  althing key list\n  althing key export clinic --public > clinic.pub.json"))]
    Key(commands::key::Key),
    /// Found a ledger.
    Init(commands::init::Init),
    /// Sign a founding statement on another machine.
    #[command(subcommand, after_long_help = help!("  althing genesis sign genesis.json --as clinic"))]
    Genesis(commands::genesis::GenesisCommand),
    /// Propose something to the group.
    Propose(Box<commands::propose::Propose>),
    /// Vote on a proposal.
    Vote(commands::vote::Vote),
    /// Judge a proposal whose deadline has come.
    Close(commands::lifecycle::Target),
    /// Carry out a decision whose timelock is over.
    Execute(commands::lifecycle::Target),
    /// Take your own proposal back.
    Withdraw(commands::withdraw::Withdraw),
    /// Change your node's key.
    RotateKey(commands::rotate_key::RotateKey),
    /// Record statements that were signed elsewhere.
    Submit(commands::submit::Submit),
    /// Look at proposals.
    #[command(subcommand, after_long_help = help!("  althing proposal list --status voting\n  althing proposal show 3f2a91c0"))]
    Proposal(commands::proposal::ProposalCommand),
    /// Look at the registry.
    #[command(subcommand, after_long_help = help!("  althing node list\n  althing node show clinic"))]
    Node(commands::node::NodeCommand),
    /// Look at evidence of Byzantine behaviour.
    #[command(subcommand, after_long_help = help!("  althing evidence list\n  althing evidence show clinic"))]
    Evidence(commands::evidence::EvidenceCommand),
    /// Ask who is authorized.
    #[command(subcommand, after_long_help = help!("  althing authorization list\n  althing authorization check did:example:triage --kind model"))]
    Authorization(commands::authorization::AuthorizationCommand),
    /// Record predictions.
    #[command(subcommand, after_long_help = help!("  althing predict record --file predictions.jsonl"))]
    Predict(commands::predict::PredictCommand),
    /// Read the history.
    Log(commands::log::Log),
    /// Check every hash, link, signature and decision.
    Verify(commands::verify::Verify),
    /// Sign how far the ledger has grown, and hold it to that.
    #[command(subcommand, after_long_help = help!("  althing checkpoint create --as clinic -o checkpoint.txt\n  althing checkpoint sign checkpoint.txt --as university\n  althing checkpoint verify checkpoint.txt"))]
    Checkpoint(commands::checkpoint::CheckpointCommand),
    /// Show to others, who have no ledger, that a grant was decided.
    #[command(subcommand, after_long_help = help!("  althing receipt create GRANT --as clinic --as university -o receipt.json\n  althing receipt verify receipt.json --origin HASH"))]
    Receipt(commands::receipt::ReceiptCommand),
    /// Save what is intact of a damaged ledger, in another place.
    Repair(commands::repair::Repair),
    /// Rebuild the state from the history.
    Replay(commands::replay::Replay),
    /// Keep the state beside the ledger, so that commands start faster.
    #[command(subcommand, after_long_help = help!("  althing snapshot create\n  althing snapshot inspect"))]
    Snapshot(commands::snapshot::SnapshotCommand),
    /// Show where two ledgers part.
    Diff(commands::diff::Diff),
    /// Show the policy in force, or a template.
    #[command(subcommand, after_long_help = help!("  althing policy show\n  althing policy template > policy.json"))]
    Policy(commands::policy::PolicyCommand),
    /// Write the history in another form.
    Export(commands::export::Export),
    /// Take a ledger over from its files.
    Import(commands::import::Import),
    /// Simulate rounds of consensus with Byzantine nodes.
    #[command(subcommand, after_long_help = help!("  althing simulate run examples/scenarios/equivocator.toml\n  althing simulate sweep --svg decisions.svg"))]
    Simulate(commands::simulate::SimulateCommand),
    /// Answer programs on other machines over HTTP.
    #[cfg(feature = "server")]
    Serve(commands::serve::Serve),
    /// Let programs use the server.
    #[cfg(feature = "server")]
    #[command(subcommand, after_long_help = help!("  althing token create triage-service --scope predict\n  althing token list"))]
    Token(commands::token::TokenCommand),
    /// Nodes that do not trust each other.
    #[cfg(feature = "cluster")]
    #[command(subcommand, after_long_help = help!("  althing cluster init --nodes 4 demo\n  althing cluster run demo/node1\n  althing cluster status demo/node1"))]
    Cluster(commands::cluster::ClusterCommand),
    /// Print a completion script for a shell.
    Completions(commands::completions::Completions),
    /// Print the manual page.
    Man(commands::completions::Man),
}

/// Reads an instant as people write it.
pub fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|error| error.to_string())
}
