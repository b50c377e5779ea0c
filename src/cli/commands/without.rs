//! `althing replay --without`: what would have come of the history without a part of it.

use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::style::{Grid, bold, dim, escaped};
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::proposal::Status;
use crate::governance::state::registry::NodeStatus;
use crate::identity::MlDsaVerifier;
use crate::replay::counterfactual::{
    Counterfactual, CounterfactualError, FallenAway, Without, counterfactual,
};

/// Runs `althing replay --without`.
pub fn run(what: &str, session: &Session, output: &Output) -> Result<Exit, Failure> {
    output.report(&without(what, session)?)?;
    Ok(Exit::Ok)
}

fn without(what: &str, session: &Session) -> Result<WithoutReport, Failure> {
    let without = match what.parse() {
        Ok(seq) => Without::Entry(seq),
        Err(_) => Without::Node(resolve::node(&session.read()?.state, what)?),
    };
    let reader = session.open_reader()?;
    let differences =
        counterfactual(reader.reader(), &MlDsaVerifier, without).map_err(|error| match error {
            CounterfactualError::Replay(error) => Failure::from(error),
            other => Failure::new(Exit::Refused, other.code(), other.to_string()),
        })?;
    Ok(WithoutReport {
        without: what.to_owned(),
        differences,
    })
}

/// How the history would differ.
#[derive(Serialize)]
struct WithoutReport {
    without: String,
    #[serde(flatten)]
    differences: Counterfactual,
}

impl Report for WithoutReport {
    const SCHEMA: &'static str = "althing.counterfactual/1";

    fn text(&self) -> String {
        let differences = &self.differences;
        let mut text = format!(
            "Without {}: left out {}, fallen away {}\n",
            bold(&escaped(&self.without)),
            entries(differences.left_out.len()),
            entries(differences.fallen_away.len()),
        );
        for fallen in &differences.fallen_away {
            let FallenAway {
                seq,
                operation,
                code,
            } = fallen;
            text.push_str(&dim(&format!("  entry {seq}, {operation}: {code}\n")));
        }
        text.push_str(&self.table());
        text
    }
}

fn entries(count: usize) -> String {
    match count {
        0 => "nothing".to_owned(),
        1 => "1 entry".to_owned(),
        _ => format!("{count} entries"),
    }
}

impl WithoutReport {
    fn table(&self) -> String {
        let differences = &self.differences;
        let mut grid = Grid::new(&["what", "which", "is", "would be"]);
        for proposal in &differences.proposals {
            grid.row([
                format!("{} {}", proposal.kind, proposal.proposal_id.short()),
                proposal.subject.clone(),
                proposal.was.name().to_owned(),
                proposal
                    .without
                    .map_or("never opened", Status::name)
                    .to_owned(),
            ]);
        }
        for grant in &differences.grants {
            let status =
                |status: Option<GrantStatus>| status.map_or("never given", GrantStatus::name);
            grid.row([
                format!("grant {}", grant.grant_id.short()),
                grant.subject.clone(),
                status(grant.was).to_owned(),
                status(grant.without).to_owned(),
            ]);
        }
        for node in &differences.nodes {
            grid.row([
                "node".to_owned(),
                escaped(&node.name),
                node.was.name().to_owned(),
                node.without
                    .map_or("never added", NodeStatus::name)
                    .to_owned(),
            ]);
        }
        let nothing = differences.proposals.is_empty()
            && differences.grants.is_empty()
            && differences.nodes.is_empty();
        if nothing {
            return "every decision, grant and node would be as it is\n".to_owned();
        }
        grid.text()
    }
}
