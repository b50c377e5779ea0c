use super::*;
use crate::governance::canonical::{self, Numbers};
use crate::governance::event::Event;
use crate::governance::prediction::PredictionVerdict;
use crate::governance::scope::CheckContext;
use proptest::prelude::*;

const PLAIN: &str = r#"{"prediction":{"context":{"environment":"prod","region":"eu west"},"duration_ms":12,"input_digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","model":"did:example:triage","model_version":"1.2","output_summary":{"mean":0.93,"n":-4,"z":1E+3},"recorder":"worker-3","request_id":"r 1","user_id":"u"},"verdict":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#;
const SHORT: &str = r#"{"prediction":{"input_digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","model":"urn:m:1","model_version":"1","output_summary":{}},"verdict":"unauthorized"}"#;

/// What the full reading says, if it takes the text.
fn in_full(data: &str) -> Option<(String, CheckContext, PredictionVerdict)> {
    canonical::check(data, Numbers::Any).ok()?;
    match Event::decode("prediction_recorded", data).ok()? {
        Event::PredictionRecorded(recorded) => Some((
            recorded.prediction.model.as_str().to_owned(),
            recorded.prediction.context,
            recorded.verdict,
        )),
        _ => None,
    }
}

/// What a sketch comes to where it is used, as replay uses it.
fn in_short(data: &str) -> Option<(String, CheckContext, PredictionVerdict)> {
    let sketch = PredictionSketch::read(data)?;
    let model: Subject = sketch.model.parse().ok()?;
    let context = match sketch.context {
        "" => CheckContext::default(),
        text => serde_json::from_str(text).expect("a context"),
    };
    let verdict = sketch.verdict.parse().ok()?;
    Some((model.as_str().to_owned(), context, verdict))
}

#[test]
fn predictions_as_they_are_written_are_sketched() {
    for data in [PLAIN, SHORT] {
        assert!(in_short(data).is_some(), "{data}");
        assert_eq!(in_short(data), in_full(data));
    }
}

/// Each is refused in full too, so a sketch of it would be wrong.
#[test]
fn what_a_full_reading_refuses_is_not_sketched() {
    for (from, to) in [
        ("\"context\":{\"environment\"", "\"context\":{\"region\""),
        ("environment", "Environment"),
        ("eu west", "eu\twest"),
        (":12,", ":012,"),
        (":12,", ":-12,"),
        (":12,", ":1.2,"),
        (":12,", ":9007199254740992,"),
        ("ba7816", "BA7816"),
        ("ba7816", "a7816"),
        ("did:example:triage", "did:example"),
        ("did:example:triage", "did:example:tri age"),
        ("\"model_version\":\"1.2\"", "\"model_version\":\"\""),
        ("\"model_version\":\"1.2\"", "\"model_version\":\" 1.2\""),
        ("\"mean\":0.93", "\"z\":0.93"),
        ("\"mean\":0.93", "\"mean\":0."),
        ("\"mean\":0.93", "\"mean\":\"0.93\""),
        ("worker-3", "worker-3 "),
        ("\"u\"}", "\"u\",\"user_id\":\"v\"}"),
        ("67e55044", "67E55044"),
        ("\"}", "\"} "),
        (",\"user_id\"", ", \"user_id\""),
        ("recorder", "recordes"),
    ] {
        let data = PLAIN.replacen(from, to, 1);
        assert_ne!(data, PLAIN, "{from}");
        assert_eq!(in_full(&data), None, "{data}");
        assert_eq!(in_short(&data), None, "{data}");
    }
}

#[test]
fn the_caps_are_those_of_the_full_reading() {
    let figures = |count: usize| {
        let figures: Vec<_> = (0..count).map(|it| format!("\"f{it:03}\":1")).collect();
        SHORT.replace("{}", &format!("{{{}}}", figures.join(",")))
    };
    let keys = |count: usize| {
        let keys: Vec<_> = (0..count).map(|it| format!("\"k{it:03}\":\"v\"")).collect();
        let context = format!("{{\"context\":{{{}}},\"input", keys.join(","));
        SHORT.replacen("{\"input", &context, 1)
    };
    let version = |length: usize| SHORT.replace("\"1\"", &format!("\"{}\"", "v".repeat(length)));
    let number = |length: usize| SHORT.replace("{}", &format!("{{\"a\":1{}}}", "0".repeat(length)));
    for (data, is_taken) in [
        (figures(256), true),
        (figures(257), false),
        (keys(64), true),
        (keys(65), false),
        (version(256), true),
        (version(257), false),
        (number(63), true),
        (number(64), false),
    ] {
        assert_eq!(in_full(&data).is_some(), is_taken, "{data}");
        assert_eq!(in_short(&data), in_full(&data), "{data}");
    }
}

proptest! {
    #![proptest_config(crate::test_support::config(4096))]

    /// Whatever is done to the bytes: a sketch says what a full reading says, or nothing.
    #[test]
    fn a_sketch_never_takes_more_than_a_full_reading(
        short in any::<bool>(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..2_usize, prop::sample::select(PIECES)),
            1..4,
        ),
    ) {
        let mut data = if short { SHORT } else { PLAIN }.to_owned();
        for (at, taken, piece) in edits {
            let at = at.index(data.len());
            let end = (at + taken).min(data.len());
            if data.is_char_boundary(at) && data.is_char_boundary(end) {
                data.replace_range(at..end, piece);
            }
        }
        if let Some(sketched) = in_short(&data) {
            prop_assert_eq!(Some(sketched), in_full(&data), "{}", data);
        }
    }
}

const PIECES: &[&str] = &[
    "", " ", "\"", "\\", "\\\"", "{", "}", ",", ":", "0", "1", "-", ".", "e", "a", "A", "é", "\t",
    "\u{7f}", "\u{202e}", "\"a\":1,", "\"z\":2", "null", "\"\"",
];
