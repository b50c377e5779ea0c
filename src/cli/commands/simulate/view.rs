//! How runs and cells look.

use serde::Serialize;

use crate::cli::output::Report;
use crate::cli::style::{Grid, bad, bold, dim, escaped, fields, good, plural};
use crate::simulation::{Cell, RunReport};

/// A table of an HTML report.
type Section = (String, Vec<String>, Vec<Vec<String>>);

/// One run.
#[derive(Serialize)]
#[serde(transparent)]
pub struct RunView<'r>(pub &'r RunReport);

impl Report for RunView<'_> {
    const SCHEMA: &'static str = "althing.simulate-run/1";

    fn text(&self) -> String {
        let report = self.0;
        let mut text = format!(
            "{}: seed {}, {} signatures, policy {}\n{}, {} of weight {} Byzantine\n\n",
            bold(&escaped(&report.scenario)),
            report.seed,
            report.signatures,
            report.policy,
            plural(report.nodes, "node"),
            report.byzantine_weight,
            report.total_weight,
        );
        text.push_str(&rounds(report));
        text.push('\n');
        if !report.adversaries.is_empty() {
            text.push_str(&adversaries(report));
            text.push('\n');
        }
        text.push_str(&fields(&facts(report)));
        text.push('\n');
        text.push_str(&verdict(report));
        text
    }
}

fn verdict(report: &RunReport) -> String {
    match &report.violation {
        None => {
            let checks: u64 = report
                .met
                .iter()
                .filter(|(what, _)| what.starts_with("checked: "))
                .map(|(_, count)| count)
                .sum();
            format!("{}: every invariant held, {checks} checks\n", good("ok"))
        }
        Some(violation) => format!(
            "{}: {} in step {}: {}\n",
            bad("violated"),
            violation.invariant,
            violation.step,
            escaped(&violation.message)
        ),
    }
}

fn rounds(report: &RunReport) -> String {
    let heads = [
        "round",
        "kind",
        "honest",
        "outcome",
        "",
        "after",
        "approve",
        "reject",
        "abstain",
        "byzantine",
        "of",
    ];
    let mut grid = Grid::new(&heads);
    for round in &report.rounds {
        grid.row([
            round.round.to_string(),
            round.kind.to_owned(),
            wanted(round.wanted).to_owned(),
            round.outcome.clone(),
            match round.right {
                Some(true) => good("right"),
                Some(false) => bad("wrong"),
                None => String::new(),
            },
            round.decision_ms.map_or_else(String::new, duration),
            round.approve_weight.to_string(),
            round.reject_weight.to_string(),
            round.abstain_weight.to_string(),
            round.byzantine_weight.to_string(),
            round.total_weight.to_string(),
        ]);
    }
    let mut grid = grid.right(0);
    for column in 5..=10 {
        grid = grid.right(column);
    }
    grid.text()
}

fn adversaries(report: &RunReport) -> String {
    let mut grid = Grid::new(&["adversary", "what became of it", "times"]);
    for (behaviour, outcomes) in &report.adversaries {
        let mut name = behaviour.name();
        for (outcome, count) in outcomes {
            grid.row([name.to_owned(), outcome.clone(), count.to_string()]);
            name = "";
        }
    }
    grid.right(2).text()
}

fn facts(report: &RunReport) -> Vec<(&'static str, String)> {
    let traffic = report.traffic;
    vec![
        (
            "equivocators",
            format!(
                "{} caught of {}",
                report.equivocators_caught, report.equivocators
            ),
        ),
        (
            "adversaries' proposals",
            format!(
                "{} passed of {}",
                report.harmful_passed, report.harmful_proposals
            ),
        ),
        (
            "network",
            format!(
                "{} messages, {} lost, {} cut off, {} twice",
                traffic.sent, traffic.lost, traffic.cut, traffic.duplicated
            ),
        ),
        (
            "restarts",
            format!("{}, {} torn", report.restarts, report.torn_tails),
        ),
        (
            "commands",
            format!(
                "{}, {} refused",
                report.commands,
                report.refusals.values().sum::<u64>()
            ),
        ),
        ("entries", report.entries.to_string()),
        ("head", report.head.clone()),
        ("state hash", report.state_hash.clone()),
        (
            "simulated",
            duration(report.simulated_seconds.saturating_mul(1000)),
        ),
    ]
}

const fn wanted(wanted: Option<bool>) -> &'static str {
    match wanted {
        Some(true) => "for it",
        Some(false) => "against",
        None => "divided",
    }
}

/// A length of time for people.
pub fn duration(ms: u64) -> String {
    match ms {
        0..=9_999 => format!("{ms} ms"),
        10_000..=599_999 => format!("{} s", ms / 1000),
        600_000..=35_999_999 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// A run as tables of an HTML report.
pub fn run_sections(report: &RunReport) -> Vec<Section> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let rounds = report.rounds.iter().map(|round| {
        vec![
            round.round.to_string(),
            round.kind.to_owned(),
            wanted(round.wanted).to_owned(),
            round.outcome.clone(),
            round.decision_ms.map_or_else(String::new, duration),
            round.approve_weight.to_string(),
            round.reject_weight.to_string(),
            round.abstain_weight.to_string(),
            round.byzantine_weight.to_string(),
            round.total_weight.to_string(),
        ]
    });
    let outcomes = report.adversaries.iter().flat_map(|(behaviour, outcomes)| {
        outcomes
            .iter()
            .map(|(outcome, count)| vec![behaviour.to_string(), outcome.clone(), count.to_string()])
    });
    let facts = facts(report).into_iter();
    vec![
        (
            format!("Rounds under seed {}", report.seed),
            texts(&[
                "round",
                "kind",
                "honest nodes",
                "outcome",
                "after",
                "approve",
                "reject",
                "abstain",
                "Byzantine",
                "of",
            ]),
            rounds.collect(),
        ),
        (
            "What became of adversaries".to_owned(),
            texts(&["adversary", "outcome", "times"]),
            outcomes.collect(),
        ),
        (
            "The run".to_owned(),
            texts(&["", ""]),
            facts
                .map(|(name, value)| vec![name.to_owned(), value])
                .collect(),
        ),
    ]
}

/// One cell of a sweep.
#[derive(Serialize)]
#[serde(transparent)]
pub struct CellView<'c>(pub &'c Cell);

impl Report for CellView<'_> {
    const SCHEMA: &'static str = "althing.simulate-cell/1";

    fn text(&self) -> String {
        cells(std::slice::from_ref(self.0))
    }
}

const CELL_HEADS: [&str; 11] = [
    "policy",
    "lost %",
    "latency",
    "byzantine",
    "decided %",
    "rightly %",
    "wrongly %",
    "median",
    "p95",
    "caught",
    "refused",
];

fn percent(part: u64, whole: u64) -> String {
    let tenths = part.saturating_mul(1000) / whole.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn cell_row(cell: &Cell) -> [String; 11] {
    [
        cell.policy.clone(),
        cell.loss_percent.to_string(),
        format!("{} ms", cell.latency_ms),
        format!("{}/{}", cell.byzantine_weight, cell.total_weight),
        percent(cell.decided, cell.rounds),
        percent(cell.rightly, cell.rounds),
        percent(cell.wrongly, cell.rounds),
        cell.median_ms.map_or_else(String::new, duration),
        cell.p95_ms.map_or_else(String::new, duration),
        format!("{}/{}", cell.equivocators_caught, cell.equivocators),
        cell.refusals.values().sum::<u64>().to_string(),
    ]
}

/// Cells as a table.
pub fn cells(cells: &[Cell]) -> String {
    let mut grid = Grid::new(&CELL_HEADS);
    for cell in cells {
        grid.row(cell_row(cell));
    }
    let mut grid = grid.right(1);
    for column in 2..=10 {
        grid = grid.right(column);
    }
    let runs = cells.iter().map(|cell| cell.runs).max().unwrap_or(0);
    let signatures = cells.first().map_or("", |cell| cell.signatures);
    let note = format!("{runs} runs a row, {signatures} signatures\n");
    format!("{}\n{}", grid.text(), dim(&note))
}

/// Cells as a table of an HTML report.
pub fn cell_sections(cells: &[Cell]) -> Vec<Section> {
    let heads = CELL_HEADS.iter().map(|head| (*head).to_owned());
    let rows = cells.iter().map(|cell| cell_row(cell).to_vec());
    let mut codes: Vec<Vec<String>> = Vec::new();
    let mut sums = std::collections::BTreeMap::new();
    for (code, count) in cells.iter().flat_map(|cell| &cell.refusals) {
        *sums.entry(code.clone()).or_insert(0) += count;
    }
    for (code, count) in sums {
        codes.push(vec![code, count.to_string()]);
    }
    vec![
        ("Cells".to_owned(), heads.collect(), rows.collect()),
        (
            "Refusals".to_owned(),
            vec!["code".to_owned(), "times".to_owned()],
            codes,
        ),
    ]
}
