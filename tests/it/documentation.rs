//! What the documents say of the command line is what it does.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

fn command_line() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/command-line.md");
    fs::read_to_string(path).expect("the document is there")
}

#[test]
fn the_exit_codes_are_documented_as_they_are() {
    let documented: Vec<(u8, String)> = command_line()
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let code = cells.next()?.parse().ok()?;
            Some((code, cells.next()?.trim_end_matches(" |").to_owned()))
        })
        .collect();
    let codes: Vec<(u8, String)> = althing::cli::EXIT_CODES
        .iter()
        .map(|(code, meaning)| (*code, (*meaning).to_owned()))
        .collect();
    assert_eq!(documented, codes);
}

#[test]
fn every_command_is_documented_and_no_other() {
    let documented: BTreeSet<String> = command_line()
        .lines()
        .filter(|line| cfg!(feature = "cluster") || !line.contains("(feature `cluster`)"))
        .filter_map(|line| line.strip_prefix("| `althing "))
        .filter_map(|rest| rest.split('`').next())
        .map(str::to_owned)
        .collect();
    let help = Command::new(env!("CARGO_BIN_EXE_althing"))
        .arg("help")
        .output()
        .expect("the program runs");
    let text = String::from_utf8(help.stdout).expect("text");
    let commands: BTreeSet<String> = text
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect();
    assert!(commands.len() > 20, "{text}");
    assert_eq!(documented, commands);
}
