//! Bad input to every command: the right answer, and not a byte of the ledger changed.

use std::fs;

use althing::ledger::{FileLedger, Wait};
use serde_json::{Value, json};

use super::harness::{TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";

/// Runs every command line with and without `--json`; names of files are relative to the world.
fn refused(world: &World, cases: &[(&str, &str, i32, &str)]) {
    let before = world.fingerprint();
    for (line, stdin, exit, code) in cases {
        let json = world.run_with(&format!("{line} --json"), stdin);
        json.fails(*exit, code);
        let text = world.run_with(line, stdin).exits(*exit);
        assert_eq!(text.stdout, "", "{text:?}");
        assert!(text.stderr.starts_with("error: "), "{text:?}");
        // Usage errors without JSON are the parser's own.
        let marked = text.stderr.contains(&format!("[{code}]"));
        assert!(marked || *code == "usage", "{text:?}");
        assert_eq!(world.fingerprint(), before, "{line}");
    }
}

/// A group with an open proposal, a decided one, and files of every bad sort.
fn furnished() -> (World, String, String) {
    let world = World::founded();
    world.run("key new eve").ok();
    let decided = world.pass(&format!("authorize-model {TRIAGE}"), HOUR);
    let open = world.propose("authorize-agent did:example:agent", HOUR);
    fs::create_dir(world.path("directory")).unwrap();
    world.file("empty", "");
    world.file("garbage", "garbage");
    world.file("binary", [0xff, 0xfe, 0x00]);
    world.file("list", "[1]");
    world.file("array.jsonl", "[1]\n");
    let export = fs::read_to_string(world.keys().join("eve.pub.json")).unwrap();
    world.file(
        "ada.pub.json",
        fs::read(world.keys().join("ada.pub.json")).unwrap(),
    );
    world.file("renamed.pub.json", export.replace("\"eve\"", "\"ive\""));
    let policy = world.run("policy template").ok().json();
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut policy = policy.clone();
        edit(&mut policy);
        policy.to_string()
    };
    world.file("typo.policy", edited(&|policy| policy["typo"] = json!(1)));
    world.file(
        "more.policy",
        edited(&|policy| policy["default"]["approval"] = json!("3/2")),
    );
    world.file(
        "text.policy",
        edited(&|policy| policy["default"]["voting_seconds"] = json!("1")),
    );
    world.file(
        "none.policy",
        edited(&|policy| policy["max_open_proposals"] = json!(0)),
    );
    (world, open, decided)
}

#[test]
fn keys() {
    let (world, ..) = furnished();
    refused(
        &world,
        &[
            ("key", "", 2, "usage"),
            ("key new", "", 2, "usage"),
            ("key new ../up", "", 2, "key.name"),
            ("key new .hidden", "", 2, "key.name"),
            ("key new ''", "", 2, "key.name"),
            ("key new 'two words'", "", 2, "key.name"),
            ("key new x --algorithm RSA", "", 2, "usage"),
            ("key new ada", "", 1, "key.exists"),
            ("key show nobody", "", 4, "key.not-found"),
            ("key show ../keys/ada", "", 2, "key.name"),
            ("key export nobody --public", "", 4, "key.not-found"),
            ("key export ada", "", 2, "usage"),
            (
                "key export ada --public --out no/such/dir",
                "",
                1,
                "file.io",
            ),
            ("key list extra", "", 2, "usage"),
        ],
    );
    world.file("keys/ada.pem", "garbage");
    refused(
        &world,
        &[(
            &format!("propose authorize-model {TRIAGE} --title T --as ada --now {HOUR}"),
            "",
            1,
            "key.malformed",
        )],
    );
}

#[test]
fn founding() {
    let (world, ..) = furnished();
    refused(
        &world,
        &[
            ("init", "", 2, "usage"),
            ("init --name g", "", 2, "usage"),
            ("init --name g --founder ada", "", 1, "ledger.exists"),
            ("init --name g --founder nobody", "", 1, "file.io"),
            ("init --name g --founder directory", "", 1, "export.io"),
            ("init --name g --founder garbage", "", 2, "export.malformed"),
            ("init --name g --founder empty", "", 2, "export.malformed"),
            ("init --name g --founder binary", "", 2, "export.malformed"),
            (
                "init --name g --founder renamed.pub.json",
                "",
                11,
                "export.possession",
            ),
            ("init --name g --founder ada:0", "", 2, "node.weight"),
            ("init --name g --founder ada:-1", "", 2, "node.weight"),
            ("init --name g --founder ada:1.5", "", 2, "node.weight"),
            (
                "init --name g --founder ada:9007199254740992",
                "",
                2,
                "node.weight",
            ),
            (
                "init --name g --founder ada --founder ada",
                "",
                3,
                "genesis.duplicate-founder",
            ),
            (
                "init --name g --founder ada:9007199254740991 --founder bea",
                "",
                3,
                "weight.overflow",
            ),
            ("init --name '' --founder ada", "", 2, "usage"),
            ("init --name 'a\u{202e}b' --founder ada", "", 2, "usage"),
            (
                "init --name g --founder ada --policy missing",
                "",
                1,
                "file.io",
            ),
            (
                "init --name g --founder ada --policy garbage",
                "",
                2,
                "policy.malformed",
            ),
            (
                "init --name g --founder ada --policy typo.policy",
                "",
                2,
                "policy.malformed",
            ),
            (
                "init --name g --founder ada --policy more.policy",
                "",
                2,
                "policy.malformed",
            ),
            (
                "init --name g --founder ada --policy text.policy",
                "",
                2,
                "policy.malformed",
            ),
            (
                "init --name g --founder ada --policy none.policy",
                "",
                3,
                "policy.invalid",
            ),
            ("init --from missing", "", 1, "file.io"),
            ("init --from garbage", "", 2, "genesis.malformed"),
            ("init --from ada.pub.json", "", 2, "genesis.malformed"),
            ("init --from garbage --out other", "", 2, "usage"),
            ("genesis sign missing --as ada", "", 1, "file.io"),
            ("genesis sign garbage --as ada", "", 2, "genesis.malformed"),
            ("genesis sign garbage", "", 2, "usage"),
        ],
    );
}

#[test]
fn proposals() {
    let (world, ..) = furnished();
    let cases = [
        ("propose", 2, "usage"),
        ("propose nonsense did:example:x {as}", 2, "usage"),
        ("propose authorize-model {as}", 2, "proposal.subject"),
        (
            "propose authorize-model nonsense {as}",
            2,
            "proposal.subject",
        ),
        (
            "propose authorize-model 'did:example:a b' {as}",
            2,
            "proposal.subject",
        ),
        ("propose authorize-model did:example:x --as ada", 2, "usage"),
        (
            "propose authorize-model did:example:x --title '' --as ada",
            2,
            "usage",
        ),
        (
            "propose authorize-model did:example:x --title 'a\u{1b}[2J' --as ada",
            2,
            "usage",
        ),
        (
            "propose authorize-model did:example:x --title T",
            2,
            "usage",
        ),
        (
            "propose authorize-model did:example:x --title T --as nobody",
            4,
            "key.not-found",
        ),
        (
            "propose authorize-model did:example:x --title T --as eve --now {now}",
            3,
            "node.unknown",
        ),
        (
            "propose authorize-model did:example:x {as} --scope prod",
            2,
            "proposal.scope",
        ),
        (
            "propose authorize-model did:example:x {as} --scope max_rate=fast",
            2,
            "proposal.scope",
        ),
        (
            "propose authorize-model did:example:x {as} --scope =prod",
            2,
            "proposal.scope",
        ),
        (
            "propose authorize-model did:example:x {as} --expires soon",
            2,
            "usage",
        ),
        (
            "propose authorize-model did:example:x {as} --duration 30",
            2,
            "usage",
        ),
        (
            "propose authorize-model did:example:x {as} --duration 1d --expires {now}",
            2,
            "usage",
        ),
        (
            "propose authorize-model did:example:x {as} --expires {now}",
            3,
            "grant.expiry-in-past",
        ),
        (
            "propose authorize-model did:example:x {as} --expires 2026-02-01T00:00:00Z \
             --not-before 2026-02-01T00:00:00Z",
            3,
            "grant.empty-period",
        ),
        (
            "propose authorize-model did:example:x {as} --param x",
            2,
            "proposal.parameters",
        ),
        (
            "propose authorize-model did:example:x {as} --param artifact_digest=abc",
            2,
            "proposal.parameters",
        ),
        (
            "propose authorize-model did:example:x {as} --file missing",
            1,
            "file.io",
        ),
        (
            "propose authorize-model did:example:x {as} --file directory",
            1,
            "file.io",
        ),
        (
            "propose authorize-model did:example:x {as} --file binary",
            1,
            "file.io",
        ),
        (
            "propose authorize-model did:example:x {as} --file list",
            2,
            "proposal.parameters",
        ),
        (
            "propose revoke-model did:example:x {as} --param grant_id=zz",
            3,
            "grant.unknown",
        ),
        ("propose add-node {as}", 2, "proposal.file"),
        ("propose add-node {as} --file missing", 1, "file.io"),
        (
            "propose add-node {as} --file garbage",
            2,
            "export.malformed",
        ),
        (
            "propose add-node {as} --file renamed.pub.json",
            11,
            "export.possession",
        ),
        (
            "propose add-node {as} --file ada.pub.json",
            3,
            "node.already-registered",
        ),
        (
            "propose add-node ive {as} --file eve",
            2,
            "proposal.subject",
        ),
        (
            "propose add-node {as} --file eve --param weight=0",
            2,
            "proposal.parameters",
        ),
        (
            "propose add-node {as} --file eve --param weight=many",
            2,
            "proposal.parameters",
        ),
        (
            "propose add-node {as} --file eve --param weight=9007199254740991",
            3,
            "weight.overflow",
        ),
        ("propose remove-node {as}", 2, "proposal.subject"),
        ("propose remove-node nobody {as}", 3, "node.unknown"),
        ("propose remove-node did:pqaid: {as}", 3, "node.ambiguous"),
        ("propose update-policy {as}", 2, "proposal.file"),
        ("propose update-policy {as} --file missing", 1, "file.io"),
        (
            "propose update-policy {as} --file garbage",
            2,
            "policy.malformed",
        ),
        (
            "propose update-policy {as} --file typo.policy",
            2,
            "policy.malformed",
        ),
        (
            "propose update-policy {as} --file none.policy",
            3,
            "policy.invalid",
        ),
        ("propose emergency-freeze * {as}", 2, "freeze.until"),
        (
            "propose emergency-freeze * {as} --duration 80h",
            3,
            "freeze.too-long",
        ),
        (
            "propose emergency-freeze * {as} --expires {now}",
            3,
            "freeze.end-in-past",
        ),
        (
            "propose emergency-freeze x {as} --duration 1h",
            2,
            "proposal.subject",
        ),
        ("propose lift-freeze * {as}", 3, "freeze.not-frozen"),
        ("propose lift-freeze {as}", 2, "proposal.subject"),
        (
            "propose delegation did:example:x {as}",
            2,
            "delegation.parent",
        ),
        (
            "propose delegation did:example:x {as} --param parent=zz",
            3,
            "grant.unknown",
        ),
        (
            "propose reinstate-node ada {as} --file eve",
            3,
            "node.not-suspended",
        ),
        ("propose replace-key ada {as}", 2, "proposal.file"),
        (
            "propose revoke-delegation did:example:x {as} --param grant_id=zz",
            3,
            "grant.unknown",
        ),
        (
            "propose replace-key ada {as} --file bea",
            3,
            "node.key-used",
        ),
        (
            "propose replace-key nobody {as} --file eve",
            3,
            "node.unknown",
        ),
    ]
    .map(|(line, exit, code)| {
        let signer = format!("--title T --as ada --now {HOUR}");
        (
            line.replace("{as}", &signer).replace("{now}", HOUR),
            exit,
            code,
        )
    });
    let cases: Vec<_> = cases
        .iter()
        .map(|(line, exit, code)| (line.as_str(), "", *exit, *code))
        .collect();
    refused(&world, &cases);
    let piped =
        format!("propose authorize-model did:example:x --title T --as ada --now {HOUR} --file -");
    refused(
        &world,
        &[
            (&piped, "", 2, "proposal.parameters"),
            (&piped, "{", 2, "proposal.parameters"),
            (&piped, "\"text\"", 2, "proposal.parameters"),
        ],
    );
}

#[test]
fn votes_and_their_ends() {
    let (world, open, decided) = furnished();
    let cases = [
        ("vote", 2, "usage"),
        ("vote {open}", 2, "usage"),
        ("vote {open} maybe --as ada", 2, "usage"),
        ("vote {open} approve", 2, "usage"),
        ("vote {open} approve --as nobody", 4, "key.not-found"),
        (
            "vote {open} approve --as eve --now {now}",
            3,
            "ballot.not-in-electorate",
        ),
        (
            "vote nope approve --as ada --now {now}",
            3,
            "proposal.unknown",
        ),
        (
            "vote '' approve --as ada --now {now}",
            3,
            "proposal.ambiguous",
        ),
        (
            "vote {open}x approve --as ada --now {now}",
            3,
            "proposal.unknown",
        ),
        (
            "vote {decided} reject --as dan --now {now}",
            3,
            "ballot.proposal-closed",
        ),
        ("vote {open} approve --as dan --now yesterday", 2, "usage"),
        (
            "vote {open} approve --as dan --now 2026-13-01T00:00:00Z",
            2,
            "usage",
        ),
        (
            "vote {open} approve --as dan --now {now} --out no/such/dir",
            1,
            "file.io",
        ),
        ("close", 2, "usage"),
        ("close nope --now {now}", 3, "proposal.unknown"),
        ("close {decided} --now {now}", 3, "proposal.closed"),
        ("close {open} --now {now}", 3, "close.before-deadline"),
        ("execute", 2, "usage"),
        ("execute nope --now {now}", 3, "proposal.unknown"),
        ("execute {decided} --now {now}", 3, "execute.not-queued"),
        ("withdraw {open}", 2, "usage"),
        ("withdraw nope --as ada --now {now}", 3, "proposal.unknown"),
        (
            "withdraw {decided} --as ada --now {now}",
            3,
            "proposal.closed",
        ),
        ("withdraw {open} --as nobody", 4, "key.not-found"),
        ("submit", 2, "usage"),
        ("submit missing", 1, "file.io"),
        ("submit directory", 1, "file.io"),
        ("submit binary", 1, "file.io"),
        ("submit empty", 2, "statement.missing"),
        ("submit garbage", 2, "statement.malformed"),
        ("submit list", 2, "statement.malformed"),
        ("submit ada.pub.json", 2, "statement.malformed"),
        ("predict", 2, "usage"),
        ("predict record --file missing", 1, "file.io"),
        ("predict record --file directory", 2, "prediction.malformed"),
        ("predict record --file binary", 2, "prediction.malformed"),
        ("predict record --file garbage", 2, "prediction.malformed"),
        (
            "predict record --file array.jsonl",
            2,
            "prediction.malformed",
        ),
    ]
    .map(|(line, exit, code)| {
        let line = line.replace("{open}", &open).replace("{decided}", &decided);
        (line.replace("{now}", HOUR), exit, code)
    });
    let cases: Vec<_> = cases
        .iter()
        .map(|(line, exit, code)| (line.as_str(), "", *exit, *code))
        .collect();
    refused(&world, &cases);
}

#[test]
fn questions() {
    let (world, ..) = furnished();
    refused(
        &world,
        &[
            ("proposal", "", 2, "usage"),
            ("proposal show nope", "", 3, "proposal.unknown"),
            ("proposal list --status open", "", 2, "usage"),
            ("node show nope", "", 3, "node.unknown"),
            ("node show ''", "", 3, "node.ambiguous"),
            ("evidence show 1", "", 3, "evidence.unknown"),
            ("evidence show 99999999999999999999", "", 3, "node.unknown"),
            ("evidence show ada", "", 3, "evidence.unknown"),
            ("authorization check", "", 2, "usage"),
            ("authorization check did:example:x", "", 2, "usage"),
            ("authorization check nonsense --kind model", "", 2, "usage"),
            (
                "authorization check did:example:x --kind robot",
                "",
                2,
                "usage",
            ),
            (
                "authorization check did:example:x --kind model --context a",
                "",
                2,
                "check.context",
            ),
            (
                "authorization check did:example:x --kind model --context =a",
                "",
                2,
                "check.context",
            ),
            (
                "authorization check did:example:x --kind model --at never",
                "",
                2,
                "usage",
            ),
            (
                "authorization check did:example:x --kind model --at 9999",
                "",
                3,
                "history.no-such-point",
            ),
            ("authorization why did:example:x", "", 2, "usage"),
            ("authorization why nonsense --kind model", "", 2, "usage"),
            (
                "authorization why did:example:x --kind model --as-known-at 9999",
                "",
                3,
                "history.no-such-point",
            ),
            (
                "authorization check did:example:x --kind model --as-known-at 6 --at 5",
                "",
                2,
                "history.two-entries",
            ),
            ("authorization list --at 0", "", 3, "history.no-such-point"),
            ("log --operation nonsense", "", 2, "usage"),
            ("log --since now", "", 2, "usage"),
            ("log --limit -1", "", 2, "usage"),
            ("log --follow --reverse", "", 2, "usage"),
            ("verify --at 3", "", 2, "usage"),
            ("replay --at 0", "", 3, "history.no-such-point"),
            ("replay --at -1", "", 2, "usage"),
            ("replay --at 3 --no-signatures", "", 2, "usage"),
            ("policy", "", 2, "usage"),
            ("policy show extra", "", 2, "usage"),
            ("export --format xml", "", 2, "usage"),
            ("completions tcsh", "", 2, "usage"),
            ("man --out garbage", "", 1, "file.io"),
            ("nonsense", "", 2, "usage"),
            ("verify --color sometimes", "", 2, "usage"),
            ("verify --wait soon", "", 2, "usage"),
            ("verify --now 2026-01-01", "", 2, "usage"),
        ],
    );
}

#[test]
fn a_usage_error_in_json_names_what_is_missing() {
    let world = World::empty();
    let answer = world.run("vote x --json").fails(2, "usage");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("--as <NAME>"), "{message}");
    assert!(message.contains("<DECISION>"), "{message}");
}

/// A command line of every command that needs a ledger.
fn everything() -> Vec<(String, bool)> {
    let mut all = vec![
        (
            format!("propose authorize-model {TRIAGE} --title T --as ada"),
            true,
        ),
        ("vote 1 approve --as ada".to_owned(), true),
        ("close 1".to_owned(), true),
        ("execute 1".to_owned(), true),
        ("withdraw 1 --as ada".to_owned(), true),
        ("submit statement".to_owned(), true),
        ("predict record".to_owned(), true),
    ];
    let readers = [
        "proposal list",
        "proposal show 1",
        "node list",
        "node show 1",
        "evidence list",
        "evidence show 1",
        "authorization list",
        "authorization check did:example:x --kind model",
        "authorization check did:example:x --kind model --at 1",
        "authorization why did:example:x --kind model",
        "log",
        "log --reverse",
        "verify",
        "replay",
        "replay --at 1",
        "policy show",
        "export",
        "export --format jsonl",
    ];
    all.extend(readers.map(|line| (line.to_owned(), false)));
    all
}

/// A signed statement that `submit` can read.
fn with_statement(world: &World) {
    let line = format!("propose authorize-model {TRIAGE} --title T --as ada --now {HOUR}");
    let file = world.path("statement");
    world.run(&format!("{line} --out {file}")).ok();
}

#[test]
fn without_a_ledger() {
    let world = World::founded();
    with_statement(&world);
    fs::remove_dir_all(world.ledger()).unwrap();
    for (line, _) in everything() {
        let answer = world
            .run(&format!("{line} --json"))
            .fails(1, "ledger.not-found");
        let hint = answer["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("althing init"), "{hint}");
        assert!(!world.ledger().exists(), "{line}");
    }
    // A founding that was cut short.
    fs::create_dir_all(world.ledger().join("ledger")).unwrap();
    for torn in [None, Some(""), Some("{\"v\":1,\"seq\":1,\"ba")] {
        if let Some(text) = torn {
            fs::write(world.segment(), text).unwrap();
        }
        for (line, _) in everything() {
            world
                .run(&format!("{line} --json"))
                .fails(1, "ledger.not-initialized");
        }
    }
    let founders = "--founder ada --founder bea --founder cid --founder dan";
    world.run(&format!("init --name again {founders}")).ok();
    world.verify();
}

#[test]
fn while_another_process_writes() {
    let world = World::founded();
    with_statement(&world);
    let before = world.fingerprint();
    let lock = FileLedger::open(world.ledger(), Wait::No).unwrap();
    for (line, writes) in everything() {
        let ran = world.run(&format!("{line} --wait 0 --json"));
        if writes {
            let answer = ran.fails(1, "ledger.in-use");
            let message = answer["error"]["message"].as_str().unwrap();
            let pid = std::process::id().to_string();
            assert!(message.contains(&format!("pid {pid}")), "{message}");
        } else {
            // Readers never wait for a writer.
            assert!(!ran.stdout.contains("ledger.in-use"), "{ran:?}");
        }
        assert_eq!(world.fingerprint(), before, "{line}");
    }
    world.verify();
    drop(lock);
    world.run(&format!("submit statement --now {HOUR}")).ok();
}
