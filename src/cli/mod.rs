//! The command line: arguments in, one report out.
//!
//! Every command computes one report and prints it as text or, with `--json`, as JSON. Data goes
//! to standard output, messages to standard error. The library below never touches the terminal.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the command line is where clock, files, environment and chance come in"
)]

mod args;
mod commands;
mod error;
mod exit;
mod genesis_file;
mod output;
mod problem;
mod progress;
mod remembered;
mod resolve;
mod session;
mod statement_file;
mod style;
mod tree;
mod upstream;

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use args::{Args, Command};
use error::Failure;
use exit::Exit;
use output::Output;
use session::Session;

pub use exit::EXIT_CODES;

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(usage) => return usage_error(&usage),
    };
    let output = Output::new(&args.global);
    let exit = match run(args, &output) {
        Ok(exit) => exit,
        Err(failure) => output.failure(&failure),
    };
    exit.into()
}

/// Help and version go to standard output and succeed, everything else is a usage error.
fn usage_error(usage: &clap::Error) -> ExitCode {
    if !usage.use_stderr() {
        // Nobody is left to tell where printing fails.
        let _ = usage.print();
        return Exit::Ok.into();
    }
    if usage.kind() == ErrorKind::MissingSubcommand && std::env::args_os().len() == 1 {
        // First contact: the list of commands says more than that one is missing.
        let _ = write!(
            anstream::stderr(),
            "{}",
            Args::command().render_help().ansi()
        );
        return Exit::Usage.into();
    }
    // What was meant can't be parsed, but a program that asked for JSON can't read anything else.
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = usage.to_string();
        let problem = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = problem.split_whitespace().collect();
        let message = words.join(" ").trim_start_matches("error: ").to_owned();
        let failure = Failure::usage("usage", message).hint("`althing help` shows all commands");
        return Output::json_only().failure(&failure).into();
    }
    let _ = usage.print();
    Exit::Usage.into()
}

fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    let session = Session::new(&args.global)?;
    match args.command {
        Command::Demo(demo) => commands::demo::run(&demo, &session, output),
        Command::Key(key) => commands::key::run(&key, &session, output),
        Command::Init(init) => commands::init::run(&init, &session, output),
        Command::Genesis(genesis) => commands::genesis::run(&genesis, &session, output),
        Command::Propose(propose) => commands::propose::run(&propose, &session, output),
        Command::Vote(vote) => commands::vote::run(&vote, &session, output),
        Command::Close(close) => commands::lifecycle::close(&close, &session, output),
        Command::Execute(execute) => commands::lifecycle::execute(&execute, &session, output),
        Command::Withdraw(withdraw) => commands::withdraw::run(&withdraw, &session, output),
        Command::RotateKey(rotate) => commands::rotate_key::run(&rotate, &session, output),
        Command::Submit(submit) => commands::submit::run(&submit, &session, output),
        Command::Proposal(proposal) => commands::proposal::run(&proposal, &session, output),
        Command::Node(node) => commands::node::run(&node, &session, output),
        Command::Evidence(evidence) => commands::evidence::run(&evidence, &session, output),
        Command::Authorization(authorization) => {
            commands::authorization::run(&authorization, &session, output)
        }
        Command::Checkpoint(checkpoint) => commands::checkpoint::run(&checkpoint, &session, output),
        Command::Receipt(receipt) => commands::receipt::run(&receipt, &session, output),
        Command::Predict(predict) => commands::predict::run(&predict, &session, output),
        Command::Log(log) => commands::log::run(&log, &session, output),
        Command::Verify(verify) => commands::verify::run(&verify, &session, output),
        Command::Repair(repair) => commands::repair::run(&repair, &session, output),
        Command::Replay(replay) => commands::replay::run(&replay, &session, output),
        Command::Snapshot(snapshot) => commands::snapshot::run(&snapshot, &session, output),
        Command::Diff(diff) => commands::diff::run(&diff, output),
        Command::Policy(policy) => commands::policy::run(&policy, &session, output),
        Command::Export(export) => commands::export::run(&export, &session, output),
        Command::Import(import) => commands::import::run(&import, &session, output),
        Command::Simulate(simulate) => commands::simulate::run(&simulate, output),
        #[cfg(feature = "server")]
        Command::Serve(serve) => commands::serve::run(&serve, session, output),
        #[cfg(feature = "server")]
        Command::Token(token) => commands::token::run(&token, &session, output),
        #[cfg(feature = "cluster")]
        Command::Cluster(cluster) => commands::cluster::run(&cluster, &session, output),
        Command::Completions(shell) => {
            commands::completions::completions(&shell, &mut Args::command(), output)
        }
        Command::Man(man) => commands::completions::man(&man, &Args::command(), output),
    }
}
