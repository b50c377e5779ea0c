//! `althing completions` and `althing man`.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing completions bash > ~/.local/share/bash-completion/completions/althing"
))]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing man | man -l -\n  althing man --out man1    (a page for each command)"
))]
pub struct Man {
    /// Write one page for each command into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `althing completions`.
pub fn completions(
    command: &Completions,
    cli: &mut Command,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, cli, "althing", &mut script);
    output.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

/// Runs `althing man`.
pub fn man(man: &Man, cli: &Command, output: &Output) -> Result<Exit, Failure> {
    if let Some(dir) = &man.out {
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(cli.clone(), dir))
            .map_err(|error| Failure::file(dir, &error))?;
        return Ok(Exit::Ok);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(cli.clone())
        .render(&mut page)
        .map_err(|error| Failure::new(Exit::Failure, "output.io", error.to_string()))?;
    output.text(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Ok)
}
