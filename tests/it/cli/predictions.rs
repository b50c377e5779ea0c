//! `predict record`: one prediction or many, good lines and bad.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::harness::{FOUNDED, TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";

fn record(world: &World, options: &str, input: impl AsRef<[u8]>) -> Value {
    let line = format!("predict record {options} --now {HOUR} --json");
    world.run_with(&line, input).ok().json()
}

/// The content of the last entry.
fn last(world: &World) -> Value {
    let line: Value = serde_json::from_str(world.lines().last().unwrap()).unwrap();
    assert_eq!(line["operation"], "prediction_recorded");
    line["data"].clone()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn line(number: usize) -> String {
    json!({"model": TRIAGE, "model_version": "1.2", "input": number}).to_string() + "\n"
}

#[test]
fn one_object_on_one_line_or_many() {
    let world = World::founded();
    let prediction = json!({
        "model": TRIAGE, "model_version": "1.2", "input": {"age": 61, "b": [1.5, null]},
        "output_summary": {"threshold": 0.5, "mean_confidence": 0.93},
        "request_id": "r-1", "duration_ms": 12, "recorder": "worker-3",
        "context": {"environment": "prod"},
    });
    for text in [
        prediction.to_string(),
        serde_json::to_string_pretty(&prediction).unwrap(),
    ] {
        let report = record(&world, "", &text);
        assert_eq!(report["recorded"], 1, "{text}");
        assert_eq!(report["unauthorized"], 1);
        let data = last(&world);
        let kept = &data["prediction"];
        assert_eq!(
            kept["input_digest"],
            sha256(br#"{"age":61,"b":[1.5,null]}"#)
        );
        for name in [
            "model",
            "model_version",
            "request_id",
            "duration_ms",
            "recorder",
            "context",
        ] {
            assert_eq!(kept[name], prediction[name], "{name}");
        }
        assert_eq!(kept["output_summary"], prediction["output_summary"]);
        assert!(kept.get("input").is_none(), "an input is never kept");
    }
    let file = world.file("one.json", prediction.to_string());
    assert_eq!(record(&world, &format!("--file {file}"), "")["recorded"], 1);
    world.verify();
}

#[test]
fn lines_are_recorded_in_order_and_blank_ones_skipped() {
    let world = World::founded();
    let mut input = String::from("\n  \n");
    for number in 0..1500 {
        input.push_str(&line(number));
        if number % 500 == 0 {
            input.push_str("\r\n");
        }
    }
    let report = record(&world, "", input.trim_end());
    assert_eq!(report["recorded"], 1500);
    assert_eq!(report["first_entry"], 6);
    assert_eq!(report["last_entry"], 1505);
    for (number, text) in world.lines().iter().skip(5).enumerate() {
        let entry: Value = serde_json::from_str(text).unwrap();
        let digest = &entry["data"]["prediction"]["input_digest"];
        assert_eq!(*digest, sha256(number.to_string().as_bytes()));
    }
    assert_eq!(record(&world, "", "")["recorded"], 0);
    assert_eq!(world.verify()["entries"], 1505);
}

#[test]
fn a_bad_line_is_named_and_everything_before_it_recorded() {
    let digest = sha256(b"x");
    let cases = [
        ("not json".to_owned(), "expected"),
        ("[]".to_owned(), ""),
        ("{}".to_owned(), "model"),
        (json!({"model": TRIAGE, "model_version": "1"}).to_string(), "input_digest or input"),
        (
            json!({"model": TRIAGE, "model_version": "1", "input": 1, "input_digest": digest})
                .to_string(),
            "input_digest or input",
        ),
        (
            json!({"model": TRIAGE, "model_version": "1", "input_digest": "abc"}).to_string(),
            "hexadecimal",
        ),
        (json!({"model": "no did", "model_version": "1", "input": 1}).to_string(), "DID or URN"),
        (json!({"model": TRIAGE, "model_version": 1, "input": 1}).to_string(), "label"),
        (
            json!({"model": TRIAGE, "model_version": "1", "input": 1, "typo": 1}).to_string(),
            "typo",
        ),
        (
            json!({"model": TRIAGE, "model_version": "1", "input": 1, "duration_ms": -1})
                .to_string(),
            "-1",
        ),
        (
            json!({"model": TRIAGE, "model_version": "1", "input": 1, "output_summary": {"a": "b"}})
                .to_string(),
            "number",
        ),
        (
            format!(
                r#"{{"model":"{TRIAGE}","model_version":"1","input":1,"duration_ms":9007199254740992}}"#
            ),
            "duration_ms",
        ),
        (
            format!(
                r#"{{"model":"{TRIAGE}","model_version":"1","input":1,"output_summary":{{"a":1,"a":2}}}}"#
            ),
            "a",
        ),
        (format!(r#"{{"model":"{TRIAGE}","model_version":"1","input":{{"a":1,"a":2}}}}"#), "a"),
    ];
    let founded = World::founded();
    for (index, (bad, problem)) in cases.into_iter().enumerate() {
        let world = founded.copy();
        // Once in the middle of the second durable write.
        let before = if index == 0 { 600 } else { 3 };
        let good: String = (0..before).map(line).collect();
        let input = format!("{good}\n{bad}\n{}", line(0));
        let answer = world
            .run_with(&format!("predict record --now {HOUR} --json"), input)
            .fails(2, "prediction.malformed");
        assert_eq!(answer["line"], before + 2, "{bad}");
        assert_eq!(answer["recorded"], before, "{bad}");
        assert_eq!(answer["last_entry"], before + 5, "{bad}");
        let told = format!("the {before} predictions before it were recorded, and nothing else");
        assert!(answer.to_string().contains(&told), "{answer}");
        let error = answer["error"].to_string();
        assert!(error.contains(&format!("line {}:", before + 2)), "{error}");
        assert!(error.contains(problem), "{bad}: {error}");
        assert_eq!(world.verify()["entries"], before + 5, "{bad}");
        // In the first line nothing is recorded at all.
        let bytes = world.bytes();
        world
            .run_with(&format!("predict record --now {HOUR} --json"), &bad)
            .fails(2, "prediction.malformed");
        assert!(world.bytes() == bytes, "{bad}");
    }
}

#[test]
fn an_input_is_hashed_by_its_meaning_or_given_as_a_digest() {
    let world = World::founded();
    let digest = |member: &str| {
        let text = format!(r#"{{"model":"{TRIAGE}","model_version":"1",{member}}}"#);
        record(&world, "", text);
        last(&world)["prediction"]["input_digest"].clone()
    };
    let same = digest(r#""input":{"b":1.0,"a":2}"#);
    assert_eq!(digest(r#""input":{"a": 2, "b": 1}"#), same);
    assert_eq!(same, sha256(br#"{"a":2,"b":1}"#));
    assert_eq!(digest(r#""input":"text""#), sha256(b"text"));
    let given = sha256(b"anything");
    assert_eq!(digest(&format!(r#""input_digest":"{given}""#)), given);
}

#[test]
fn user_ids_are_hidden_under_a_secret_unless_asked_otherwise() {
    let world = World::founded();
    let text = |user: &str| {
        json!({"model": TRIAGE, "model_version": "1", "input": 5, "user_id": user}).to_string()
    };
    let user = |world: &World, options: &str, user: &str| {
        record(world, options, text(user));
        last(world)["prediction"]["user_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let hidden = user(&world, "", "ada@example.org");
    let (scheme, value) = hidden.split_once(':').unwrap();
    assert_eq!(scheme, "hmac-sha256");
    assert_eq!(value.len(), 64);
    assert_eq!(user(&world, "", "ada@example.org"), hidden);
    assert_ne!(user(&world, "", "bea@example.org"), hidden);
    assert!(!hidden.contains(&sha256(b"ada@example.org")));
    assert_eq!(
        user(&world, "--plain-user-id", "ada@example.org"),
        "ada@example.org"
    );

    // Another key directory is another secret.
    let other = world.path("other-keys");
    record(&world, &format!("--keys {other}"), text("ada@example.org"));
    assert_ne!(last(&world)["prediction"]["user_id"], hidden.as_str());
}

#[test]
fn inputs_are_keyed_on_request() {
    let world = World::founded();
    let text = json!({"model": TRIAGE, "model_version": "1", "input": 5}).to_string();
    let digest = |options: &str| {
        record(&world, options, &text);
        last(&world)["prediction"]["input_digest"].clone()
    };
    let keyed = digest("--keyed-input");
    assert_eq!(digest("--keyed-input"), keyed);
    assert_ne!(keyed, sha256(b"5"));
    assert_eq!(digest(""), sha256(b"5"));
}

#[test]
fn the_verdict_names_the_grant_in_force() {
    let world = World::founded();
    let grant = world.pass(
        &format!(
            "authorize-model {TRIAGE} --scope environment=prod --expires 2026-01-02T00:00:00Z"
        ),
        FOUNDED,
    );
    let with = |environment: &str| {
        json!({"model": TRIAGE, "model_version": "1", "input": 1,
               "context": {"environment": environment}})
        .to_string()
            + "\n"
    };
    let input = format!("{}{}{}", with("prod"), with("test"), line(1));
    let report = record(&world, "", input);
    assert_eq!(report["authorized"], 1);
    assert_eq!(report["unauthorized"], 2);
    let verdicts: Vec<Value> = world
        .run("log --operation prediction_recorded --json")
        .ok()
        .json_lines()
        .into_iter()
        .map(|line| line["data"]["verdict"].clone())
        .collect();
    assert_eq!(
        verdicts,
        [json!(grant), json!("unauthorized"), json!("unauthorized")]
    );
    // After its expiry.
    let late = world
        .run_with(
            "predict record --now 2026-01-02T00:00:00Z --json",
            with("prod"),
        )
        .ok()
        .json();
    assert_eq!(late["unauthorized"], 1);
    let replayed = world.run("replay --json").ok().json();
    assert_eq!(
        replayed["predictions"],
        json!({"authorized": 1, "unauthorized": 3})
    );
}

#[test]
fn a_policy_can_refuse_unauthorized_predictions() {
    let world = World::under(&json!({"predictions": "refuse"}));
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let foreign = json!({"model": "urn:model:x", "model_version": "1", "input": 1}).to_string();
    let input = format!("{}{}{foreign}\n{}", line(1), line(2), line(3));
    let before = world.lines().len();
    let answer = world
        .run_with(&format!("predict record --now {HOUR} --json"), input)
        .fails(3, "prediction.unauthorized");
    // The report agrees with the ledger, whatever was recorded of the group.
    let recorded = world.lines().len() - before;
    assert_eq!(answer["recorded"], recorded);
    world.verify();
}

#[test]
fn what_the_rules_refuse_is_named_by_its_line() {
    let world = World::founded();
    let line = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    let lines = format!("\n{line}\n{line}\n");
    let ran = world.run_with("predict record --now 2020-01-01T00:00:00Z --json", lines);
    let answer = ran.fails(2, "clock.behind-head");
    assert!(
        answer
            .to_string()
            .contains("nothing of the input was recorded"),
        "{answer}"
    );
    // The first line is blank.
    assert_eq!(answer["line"], 2, "{answer}");
    assert_eq!(answer["recorded"], 0);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("line 2: "), "{message}");
}
