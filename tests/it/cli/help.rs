//! Help, completions and manual pages.

use std::fs;

use super::harness::World;

/// Every command line that has a help text of its own, from the help texts themselves.
fn commands(world: &World) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut next = 0;
    while let Some(command) = found.get(next).cloned() {
        next += 1;
        let help = world.run(&format!("{command} --help")).ok().stdout;
        let listed = help
            .lines()
            .skip_while(|line| *line != "Commands:")
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.strip_prefix("  "))
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help");
        found.extend(listed.map(|name| format!("{command} {name}").trim().to_owned()));
    }
    found
}

#[test]
fn every_help_has_examples_and_exit_codes() {
    let world = World::empty();
    let commands = commands(&world);
    assert!(commands.len() > 35, "{commands:?}");
    for command in &commands {
        let help = world.run(&format!("{command} --help")).ok();
        assert_eq!(help.stderr, "", "{command}");
        for part in [
            "Examples:\n  ",
            "Exit codes:\n  0  ok",
            "\n 13  an illegal event",
        ] {
            assert!(help.stdout.contains(part), "{command}: no {part:?}");
        }
        let examples = help.stdout.split("Examples:\n").nth(1).unwrap();
        let examples = examples.split("Exit codes:").next().unwrap();
        assert!(
            examples.contains(&format!("althing {command}")),
            "{command}: {examples}"
        );
        let short = world.run(&format!("{command} -h")).ok().stdout;
        assert!(
            !short.is_empty() && short.len() < help.stdout.len(),
            "{command}"
        );
    }
}

#[test]
fn without_arguments_there_is_help() {
    let world = World::empty();
    let ran = world.run("").exits(2);
    assert!(ran.stderr.contains("Usage: althing"), "{ran:?}");
    assert!(ran.stderr.contains("Commands:"), "{ran:?}");
}

#[test]
fn every_command_has_a_manual_page() {
    let world = World::empty();
    let page = world.run("man").ok().stdout;
    assert!(page.contains(".TH althing 1"), "{page}");
    assert!(
        page.contains("EXAMPLES") || page.contains("Examples:"),
        "{page}"
    );
    let dir = world.path("man1");
    world.run(&format!("man --out {dir}")).ok();
    for command in commands(&world) {
        let name = format!("althing {command}").trim().replace(' ', "-");
        let text = fs::read_to_string(format!("{dir}/{name}.1")).unwrap();
        assert!(text.contains(".TH"), "{name}");
    }
}

#[test]
fn every_shell_has_a_completion_script() {
    let world = World::empty();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.run(&format!("completions {shell}")).ok().stdout;
        for word in ["althing", "authorization", "passphrase-file"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let bash = world.run("completions bash").ok().stdout;
    let checked = std::process::Command::new("bash")
        .arg("-n")
        .arg(world.file("althing.bash", bash))
        .status();
    // Not every machine has bash.
    assert!(checked.is_err() || checked.is_ok_and(|status| status.success()));
}

#[test]
fn the_version_is_the_packages() {
    let world = World::empty();
    let version = world.run("--version").ok().stdout;
    assert_eq!(
        version,
        concat!("althing ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
