//! What reaches a terminal or a pipe.

use std::io::{BufRead as _, BufReader};

use serde_json::json;

use super::harness::{TRIAGE, World, run};

const HOUR: &str = "2026-01-01T01:00:00Z";
const ESCAPE: char = '\u{1b}';

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let world = World::founded();
    let lines: String = (0..400)
        .map(|number| {
            json!({"model": TRIAGE, "model_version": "1", "input": number}).to_string() + "\n"
        })
        .collect();
    world.run_with("predict record --quiet", lines).ok();
    // More than a pipe holds.
    assert!(world.bytes().len() > 200_000);
    for arguments in [
        &["log", "--json"][..],
        &["log"],
        &["log", "--reverse", "--json"],
        &["export"],
        &["export", "--format", "jsonl"],
    ] {
        let mut child = world.command().args(arguments).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(!line.is_empty());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            !stderr.contains("panicked") && !stderr.contains("error"),
            "{stderr}"
        );
    }
}

#[test]
fn colors_appear_only_where_they_are_wanted() {
    let world = World::founded();
    let proposal = world.pass(&format!("authorize-model {TRIAGE}"), HOUR);
    for line in [
        "verify".to_owned(),
        format!("proposal show {proposal}"),
        "log".to_owned(),
        "proposal show nope".to_owned(),
    ] {
        let colored = |options: &str, variables: &[(&str, &str)]| {
            let mut command = world.command();
            command
                .args(line.split(' '))
                .args(options.split_whitespace());
            let ran = run(command.envs(variables.iter().copied()), &line, b"");
            ran.stdout.contains(ESCAPE) || ran.stderr.contains(ESCAPE)
        };
        let force = ("CLICOLOR_FORCE", "1");
        let no_color = ("NO_COLOR", "1");
        assert!(!colored("", &[]), "{line}: a pipe is no terminal");
        assert!(colored("--color always", &[]), "{line}");
        assert!(colored("", &[force]), "{line}");
        assert!(!colored("", &[force, no_color]), "{line}");
        assert!(!colored("--color never", &[force]), "{line}");
        assert!(!colored("--json --color always", &[force]), "{line}");
    }
}

/// Text without the styles that the command line itself prints.
fn unstyled(text: &str) -> String {
    [
        "\u{1b}[0m",
        "\u{1b}[1m",
        "\u{1b}[2m",
        "\u{1b}[31m",
        "\u{1b}[32m",
    ]
    .iter()
    .fold(text.to_owned(), |text, style| text.replace(style, ""))
}

#[test]
fn nothing_from_outside_reaches_the_terminal_unescaped() {
    let world = World::founded();
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}5n\u{202e}";
    let proposal = world
        .run(&format!(
            "propose authorize-model {TRIAGE} --title T --description '{hostile}' --as ada \
             --param note='{hostile}' --now {HOUR} --json"
        ))
        .ok()
        .json()["proposal_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (decision, options) in [("approve", ""), ("reject", "--force")] {
        world.run(&format!(
            "vote {proposal} {decision} {options} --rationale '{hostile}' --as dan --now {HOUR}"
        ));
    }
    assert_eq!(
        world.run("evidence list --json").ok().json()["evidence"][0]["name"],
        "dan"
    );
    let type_of_statement = json!({"type": hostile}).to_string();
    let prediction = json!({"model": TRIAGE, "model_version": "1", hostile: 1}).to_string();
    let cases = [
        (format!("proposal show {proposal}"), ""),
        ("proposal list".to_owned(), ""),
        ("evidence show dan".to_owned(), ""),
        ("log".to_owned(), ""),
        ("replay".to_owned(), ""),
        ("submit -".to_owned(), type_of_statement.as_str()),
        ("predict record".to_owned(), prediction.as_str()),
        (format!("proposal show '{hostile}'"), ""),
        (format!("submit '{hostile}'"), ""),
        (format!("log --actor '{hostile}'"), ""),
        (format!("key show '{hostile}'"), ""),
        (
            format!("key new ok --keys '{}/{hostile}'", world.path("")),
            "",
        ),
        (format!("verify --ledger '{hostile}'"), ""),
    ];
    let mut escaped = 0;
    for (line, stdin) in cases {
        let ran = world.run_with(&format!("{line} --color always"), stdin);
        let text = unstyled(&format!("{}{}", ran.stdout, ran.stderr));
        for bad in [ESCAPE, '\u{7}', '\u{9b}', '\u{202e}'] {
            assert!(!text.contains(bad), "{line}: {bad:?} in {text:?}");
        }
        escaped += usize::from(text.contains("owned"));
        // JSON escapes what moves a cursor, too.
        let json = world.run_with(&format!("{line} --json --color always"), stdin);
        assert!(!json.stdout.contains(ESCAPE), "{line}: {json:?}");
    }
    assert!(escaped >= 6, "the hostile text was printed {escaped} times");
}

#[test]
fn quiet_leaves_only_failures() {
    let world = World::founded();
    for line in ["verify", "node list", "replay"] {
        let ran = world.run(&format!("{line} --quiet")).ok();
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.as_str()),
            ("", ""),
            "{line}"
        );
    }
    let failed = world.run("node show nobody --quiet").exits(3);
    assert!(failed.stderr.contains("node.unknown"));
}
