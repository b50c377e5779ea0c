//! Predictions are recorded under the grant in force; an auditor reads the ledger without a node.
//!
//! Run with `cargo run --example prediction_audit`.

mod shared;

use althing::chain::lines::LineReader;
use althing::chain::verify::ChainVerifier;
use althing::governance::ballot::Decision;
use althing::governance::digest::Digest;
use althing::governance::id::Subject;
use althing::governance::label::Label;
use althing::governance::policy::Policy;
use althing::governance::prediction::{Figures, OutputSummary, Prediction, PredictionVerdict};
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::scope::CheckContext;
use althing::governance::{Command, Event};
use althing::identity::MlDsaVerifier;
use althing::replay::replay;
use serde_json::value::RawValue;
use shared::{Group, Outcome};

fn main() -> Outcome {
    let mut group = Group::found(&[("Alice", 1), ("Bob", 1), ("Carol", 1)], Policy::default())?;
    let model: Subject = "urn:model:risk:3".parse()?;

    println!("A model predicts before it is authorized:");
    record(&mut group, &model, "request-1", "0.41")?;
    println!("It is authorized, and predicts again:");
    let terms = GrantTerms::unrestricted(model.clone());
    let grant = group.propose("Alice", "Authorize risk 3", Action::AuthorizeModel(terms))?;
    for member in ["Alice", "Bob"] {
        group.vote(member, grant, Decision::Approve)?;
    }
    record(&mut group, &model, "request-2", "0.9300")?;
    record(&mut group, &model, "request-3", "0.87")?;
    // Counts are kept for models that ever had a grant; the first prediction came before.
    println!(
        "Counts: {:?}, without a grant ever: {:?}",
        group.state().predictions().of(&model),
        group.state().predictions().others()
    );

    let bytes = group.node.ledger().bytes().to_vec();
    println!("An auditor reads the ledger's {} bytes:", bytes.len());
    audit(&bytes)?;

    println!("Somebody improves a figure afterwards:");
    let forged = String::from_utf8(bytes)?.replacen("0.41", "0.99", 1);
    match replay(forged.as_bytes(), &MlDsaVerifier) {
        Ok(_) => return Err("a forged ledger was accepted".into()),
        Err(error) => println!("  {}: {error}", error.code()),
    }
    Ok(())
}

/// Records a prediction. The input itself never enters the ledger, only its digest.
fn record(group: &mut Group, model: &Subject, request: &str, confidence: &str) -> Outcome {
    let name: Label = "mean_confidence".parse()?;
    let figure = RawValue::from_string(confidence.to_owned())?;
    let prediction = Prediction {
        context: CheckContext::default(),
        duration_ms: Some(12),
        input_digest: Digest::of(format!("the input of {request}").as_bytes()),
        model: model.clone(),
        model_version: "3.0.1".parse()?,
        output_summary: OutputSummary::new(Figures(vec![(name, figure)]))?,
        recorder: Some("worker-1".parse()?),
        request_id: Some(request.parse()?),
        user_id: None,
    };
    group.submit(&Command::RecordPrediction(prediction))?;
    Ok(())
}

/// Checks the chain and lists the predictions that no grant covered.
fn audit(bytes: &[u8]) -> Outcome {
    let mut chain = ChainVerifier::new();
    let mut lines = LineReader::new(bytes);
    while let Some(raw) = lines.next_line()? {
        let line = chain.read(raw.bytes)?;
        if let Event::PredictionRecorded(recorded) = Event::decode(line.operation, line.data)? {
            let request = recorded.prediction.request_id;
            let request = request.as_ref().map_or("?", Label::as_str);
            let mark = match recorded.verdict {
                PredictionVerdict::Granted(grant) => format!("under grant {}", grant.short()),
                PredictionVerdict::Unauthorized => "WITHOUT A GRANT".to_owned(),
            };
            println!("  entry {:>2}: {request} {mark}", line.seq);
        }
    }
    println!("  the chain holds up to entry {}", chain.head());
    let replayed = replay(bytes, &MlDsaVerifier)?;
    println!("  every entry is what the rules give");
    println!("  Merkle root {}", replayed.merkle.root());
    Ok(())
}
