//! The receipt verifier that needs no Althing finds in hashes what Althing finds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use althing::chain::receipt::Receipt;
use althing::replay::receipt::{ReceiptError, Trust};
use althing::testing::StandInVerifier;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::independent::{has, script};
use super::receipts::{origin, received};
use crate::receipts::eventful_receipt;

fn python(arguments: &[&str]) -> Output {
    Command::new("python3")
        .arg(script("receipt.py"))
        .args(arguments)
        .output()
        .unwrap()
}

/// What the Python verifier says of each receipt, from one process, and the worst exit code.
fn reports(receipts: &[Vec<u8>], options: &[&str]) -> (Vec<Value>, i32) {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (receipts.iter().enumerate())
        .map(|(number, bytes)| {
            let path = dir.path().join(format!("{number}.json"));
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    let paths = paths.iter().map(|path| path.to_str().unwrap());
    let arguments: Vec<&str> = ["--json"]
        .iter()
        .chain(options)
        .copied()
        .chain(paths)
        .collect();
    let output = python(&arguments);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    let reports = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (reports, output.status.code().unwrap())
}

/// Althing's code and exit code for the same bytes; none where the receipt is believed.
fn althing(bytes: &[u8], trust: &Trust) -> Option<(String, i32)> {
    let Ok(receipt) = Receipt::parse(bytes) else {
        return Some(("receipt.malformed".to_owned(), 1));
    };
    let error = receipt.verify(trust, &StandInVerifier).err()?;
    Some((error.code().to_owned(), exit(&error)))
}

fn exit(error: &ReceiptError) -> i32 {
    match () {
        () if error.is_signature() => 11,
        () if error.is_illegal() => 13,
        () if error.is_damage() => 10,
        () => 12,
    }
}

fn bytes(receipt: &Value) -> Vec<u8> {
    (serde_json_canonicalizer::to_string(receipt).unwrap() + "\n").into_bytes()
}

/// A line as another one with its right hash.
fn hashed(line: &str) -> String {
    let body = &line[..line.len() - 81];
    let hash = Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    format!("{body},\"entry_hash\":\"{hash}\"}}")
}

/// The text with another character at a place, still a digit where it was one.
fn flipped(text: &Value, at: usize) -> Value {
    let mut characters: Vec<char> = text.as_str().unwrap().chars().collect();
    characters[at] = if characters[at] == '2' { '3' } else { '2' };
    json!(characters.into_iter().collect::<String>())
}

/// Every hash, every number and every entry of the receipt changed, each once, with the code that it
/// must be refused with.
fn tampered(whole: &Value) -> Vec<(String, Vec<u8>, &'static str)> {
    let mut cases = Vec::new();
    let mut case = |name: String, code, change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        cases.push((name, bytes(&changed), code));
    };
    let entries = whole["entries"].as_array().unwrap();
    for (at, entry) in entries.iter().enumerate() {
        let line = entry["line"].as_str().unwrap();
        for place in [line.len() - 3, line.len() - 100, line.len() / 2] {
            case(format!("{at}: byte {place}"), "chain.hash", &|it| {
                it["entries"][at]["line"] = flipped(&entry["line"], place);
            });
        }
        case(format!("{at}: hashed anew"), "receipt.inclusion", &|it| {
            let link = line.len() - 90;
            let other = flipped(&entry["line"], link);
            it["entries"][at]["line"] = json!(hashed(other.as_str().unwrap()));
        });
        let path = entry["path"].as_array().unwrap();
        for (node, hash) in path.iter().enumerate() {
            case(format!("{at}: node {node}"), "receipt.inclusion", &|it| {
                it["entries"][at]["path"][node] = flipped(hash, node);
            });
            case(
                format!("{at}: without {node}"),
                "receipt.inclusion",
                &|it| {
                    it["entries"][at]["path"]
                        .as_array_mut()
                        .unwrap()
                        .remove(node);
                },
            );
        }
        case(format!("{at}: one node more"), "receipt.inclusion", &|it| {
            let path = it["entries"][at]["path"].as_array_mut().unwrap();
            path.push(json!("0".repeat(64)));
        });
        case(format!("{at} twice"), "receipt.order", &|it| {
            it["entries"]
                .as_array_mut()
                .unwrap()
                .insert(at, entry.clone());
        });
        if at > 0 {
            case(format!("{at} before {}", at - 1), "receipt.order", &|it| {
                it["entries"].as_array_mut().unwrap().swap(at - 1, at);
            });
        }
    }
    let founding = entries.iter().take_while(|entry| {
        !entry["line"]
            .as_str()
            .unwrap()
            .contains("\"operation\":\"key_rotated\"")
    });
    for at in 0..founding.count() {
        case(format!("without {at}"), "replay.genesis", &|it| {
            it["entries"].as_array_mut().unwrap().remove(at);
        });
    }
    case("without any".to_owned(), "replay.genesis", &|it| {
        it["entries"] = json!([])
    });
    whole_file(whole, &mut case);
    cases
}

/// Takes the name of a case, its code, and the change.
type Case<'a> = dyn FnMut(String, &'static str, &dyn Fn(&mut Value)) + 'a;

/// The members beside the entries.
fn whole_file(whole: &Value, case: &mut Case<'_>) {
    let note = whole["checkpoint"].as_str().unwrap();
    let lines: Vec<&str> = note.lines().collect();
    let size: u64 = lines[1].parse().unwrap();
    let mut other = |name: &str, code, line: usize, text: &str| {
        let mut changed: Vec<&str> = lines.clone();
        changed[line] = text;
        let changed = changed.join("\n") + "\n";
        case(format!("checkpoint: {name}"), code, &|it| {
            it["checkpoint"] = json!(changed)
        });
    };
    other("smaller", "receipt.inclusion", 1, &(size - 1).to_string());
    other("larger", "receipt.inclusion", 1, &(size + 1).to_string());
    other("one", "receipt.inclusion", 1, "1");
    other("none", "receipt.malformed", 1, "0");
    other("zero before", "receipt.malformed", 1, &format!("0{size}"));
    other("no size", "receipt.malformed", 1, "many");
    other(
        "root",
        "receipt.inclusion",
        2,
        flipped(&json!(lines[2]), 5).as_str().unwrap(),
    );
    other("short root", "receipt.malformed", 2, &lines[2][4..]);
    let at = |place| {
        flipped(&json!(lines[0]), place)
            .as_str()
            .unwrap()
            .to_owned()
    };
    other("ledger", "receipt.other-ledger", 0, &at(30));
    other("genesis", "receipt.other-ledger", 0, &at(130));
    other("origin", "receipt.malformed", 0, "elsewhere");
    other("blank line", "receipt.malformed", 3, "text");
    for (name, code, change) in [
        (
            "format",
            "receipt.malformed",
            (|it| it["format"] = json!("x")) as fn(&mut Value),
        ),
        ("member", "receipt.malformed", |it| it["more"] = json!(1)),
        ("no path", "receipt.malformed", |it| {
            it["entries"][0]["path"] = json!(null)
        }),
        ("no line", "receipt.malformed", |it| {
            it["entries"][0]["line"] = json!(7)
        }),
        ("long path", "receipt.malformed", |it| {
            it["entries"][0]["path"] = json!(vec!["0".repeat(64); 54]);
        }),
        ("upper case", "receipt.malformed", |it| {
            it["entries"][0]["path"][0] = json!("A".repeat(64));
        }),
        ("no entries", "receipt.malformed", |it| {
            it["entries"] = json!("")
        }),
        ("grant", "receipt.no-grant", |it| {
            it["grant"] = flipped(&it["grant"], 3)
        }),
        ("no grant", "receipt.malformed", |it| {
            it["grant"] = json!("x")
        }),
        ("null", "receipt.malformed", |it| it["live"] = json!(null)),
        ("index", "receipt.liveness", |it| {
            it["live"]["index"] = json!(it["live"]["index"].as_u64().unwrap() ^ 1);
        }),
        ("large index", "receipt.liveness", |it| {
            it["live"]["index"] = json!(1_u64 << 40)
        }),
        ("live node", "receipt.liveness", |it| {
            it["live"]["path"][0] = flipped(&it["live"]["path"][0], 0);
        }),
        ("live without", "receipt.liveness", |it| {
            it["live"]["path"] = json!([])
        }),
    ] {
        case(name.to_owned(), code, &change);
    }
}

#[test]
fn python_finds_every_changed_hash_number_and_entry_of_a_receipt() {
    if !has(&["python3"]) {
        return;
    }
    let (assembly, receipt) = eventful_receipt();
    let pin = assembly.state().identity().origin;
    let trust = Trust::Origin(pin);
    let whole: Value = serde_json::from_slice(&receipt.to_bytes().unwrap()).unwrap();
    let mut cases = tampered(&whole);
    let text = String::from_utf8(bytes(&whole)).unwrap();
    for (name, other) in [
        ("no line feed", text.trim_end().to_owned()),
        ("two", format!("{text}\n")),
        ("a space", text.replacen(':', ": ", 1)),
        (
            "a member twice",
            text.replacen("\"format\"", "\"format\":\"\",\"format\"", 1),
        ),
        ("nothing", String::new()),
    ] {
        cases.push((name.to_owned(), other.into_bytes(), "receipt.malformed"));
    }
    let receipts: Vec<Vec<u8>> = cases.iter().map(|case| case.1.clone()).collect();
    let (reports, worst) = reports(&receipts, &["--origin", &pin.to_string()]);
    assert_eq!((reports.len(), worst), (cases.len(), 13));
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for ((name, bytes, code), report) in cases.iter().zip(&reports) {
        assert_eq!(report["code"], *code, "{name}: {report}");
        assert_eq!(report["ok"], false, "{name}");
        let so_far = seen.entry(code).or_default();
        // Of the hundreds of hashes Althing is asked about some: it is slow in a debug build.
        if *so_far < 10 || so_far.is_multiple_of(30) {
            let found = althing(bytes, &trust).unwrap_or_else(|| panic!("{name} is believed"));
            assert_eq!(found.0, *code, "{name}");
        }
        *so_far += 1;
    }
    assert!(
        seen["chain.hash"] > 50 && seen["receipt.inclusion"] > 100,
        "{seen:?}"
    );
}

#[test]
fn python_says_of_a_receipt_what_it_did_not_check() {
    if !has(&["python3"]) {
        return;
    }
    let (assembly, receipt) = eventful_receipt();
    let pin = assembly.state().identity().origin.to_string();
    let good = receipt.to_bytes().unwrap();
    let whole: Value = serde_json::from_slice(&good).unwrap();
    let (found, code) = reports(std::slice::from_ref(&good), &["--origin", &pin]);
    assert_eq!((&found[0]["ok"], code), (&json!(true), 0), "{found:?}");
    assert_eq!(found[0]["genesis"], pin);
    assert_eq!(found[0]["entries"], receipt.entries.len());
    assert_eq!(found[0]["size"], receipt.checkpoint.head().tree.size);
    // Whoever knows nothing beforehand learns nothing.
    let (found, code) = reports(std::slice::from_ref(&good), &[]);
    assert_eq!((&found[0]["code"], code), (&json!("receipt.no-pin"), 12));
    let (found, code) = reports(&[good], &["--origin", &"0".repeat(64)]);
    assert_eq!(
        (&found[0]["code"], code),
        (&json!("receipt.other-ledger"), 12)
    );
    // A ballot left out, a signature changed: that takes Althing.
    let ballot = receipt
        .entries
        .iter()
        .position(|it| it.line.contains("vote_cast"));
    let mut fewer = whole.clone();
    fewer["entries"]
        .as_array_mut()
        .unwrap()
        .remove(ballot.unwrap());
    let mut forged = whole.clone();
    let note = whole["checkpoint"].as_str().unwrap();
    forged["checkpoint"] = flipped(&whole["checkpoint"], note.chars().count() - 20);
    let others = [bytes(&fewer), bytes(&forged)];
    let (found, code) = reports(&others, &["--origin", &pin]);
    assert_eq!((found.iter().all(|it| it["ok"] == true), code), (true, 0));
    let trust = Trust::Origin(assembly.state().identity().origin);
    let refused = others.map(|other| althing(&other, &trust).unwrap().1);
    assert_eq!(refused, [13, 11]);
}

#[test]
fn python_ends_with_the_codes_that_althing_ends_with() {
    if !has(&["python3"]) {
        return;
    }
    let (world, path) = received();
    let pin = origin(&world);
    let text = fs::read_to_string(&path).unwrap();
    let receipt: Value = serde_json::from_str(&text).unwrap();
    let node = receipt["entries"][7]["path"][0].as_str().unwrap();
    let zeros = "0".repeat(64);
    let without = |at: usize| {
        let mut fewer = receipt.clone();
        fewer["entries"].as_array_mut().unwrap().remove(at);
        String::from_utf8(bytes(&fewer)).unwrap()
    };
    for (text, origin, code) in [
        (text.clone(), Some(&pin), 0),
        (text.clone(), None, 12),
        (text.clone(), Some(&zeros), 12),
        (text.replacen("approve", "abstain", 1), Some(&pin), 10),
        (text.replacen(node, &zeros, 1), Some(&pin), 12),
        (text.replacen("receipt/v1", "receipt/v9", 1), Some(&pin), 1),
        (without(2), Some(&pin), 13),
    ] {
        let path = world.file("receipt.json", text);
        let pin = origin.map_or_else(Vec::new, |pin| vec!["--origin", pin.as_str()]);
        let ran = python(&[&pin[..], &[&path]].concat());
        let options = pin.join(" ");
        world
            .run(&format!("receipt verify {path} {options}"))
            .exits(code);
        assert_eq!(ran.status.code(), Some(code), "{ran:?}");
        assert!(
            String::from_utf8(ran.stdout)
                .unwrap()
                .contains("Not checked: signatures")
        );
    }
    for (arguments, code) in [
        (&[][..], 2),
        (&["--json"], 2),
        (&["--help"], 2),
        (&["--origin", "x", "receipt.json"], 2),
        (&["/nowhere/receipt.json"], 1),
    ] {
        assert_eq!(python(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn the_shell_follows_each_entry_to_the_root() {
    if !has(&["jq", "sha256sum", "basenc", "od"]) {
        return;
    }
    let (_, receipt) = eventful_receipt();
    let whole: Value = serde_json::from_slice(&receipt.to_bytes().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("receipt.json");
    let shell = |receipt: &Value, number: usize| {
        fs::write(&path, bytes(receipt)).unwrap();
        let script = script("receipt-entry.sh");
        let ran = Command::new("sh")
            .arg(script)
            .arg(&path)
            .arg(number.to_string())
            .output();
        let ran = ran.unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    };
    // The last entry of the tree has a shorter path than the first.
    let last = receipt.entries.len();
    for number in [1, 4, last] {
        let line = &receipt.entries[number - 1].line;
        let hash = &line[line.len() - 66..line.len() - 2];
        let (code, text) = shell(&whole, number);
        assert_eq!(code, Some(0), "{number}");
        assert!(text.contains(&format!("hash {hash}, under root")), "{text}");
    }
    for change in [
        (|it| it["entries"][3]["line"] = flipped(&it["entries"][3]["line"], 60)) as fn(&mut Value),
        |it| it["entries"][3]["path"][1] = flipped(&it["entries"][3]["path"][1], 60),
        |it| drop(it["entries"][3]["path"].as_array_mut().unwrap().pop()),
        |it| {
            it["entries"][3]["path"]
                .as_array_mut()
                .unwrap()
                .push(json!("0".repeat(64)))
        },
        |it| it["entries"][3]["path"] = it["entries"][2]["path"].clone(),
    ] {
        let mut changed = whole.clone();
        change(&mut changed);
        assert_ne!(changed, whole);
        assert_eq!(shell(&changed, 4).0, Some(10));
    }
}
