//! `althing diff`: where two ledgers part.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::chain::line::Head;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::style::{Grid, bad, bold, dim, escaped, fields, good};
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::state::State;
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::proposal::Status;
use crate::identity::MlDsaVerifier;
use crate::ledger::LedgerReader;
use crate::replay::divergence::{Comparison, Damage, EntrySummary, Relation, Side, compare};
use crate::replay::state_differences::{
    NodeStanding, StateDifferences, state_at, state_differences,
};

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing diff ./althing-ledger /backup/althing-ledger
  althing diff A B --json | jq '.entry.fields[0]'

Compared are the entries, which stay apart once they differ, and what that means for the two states.
A ledger that is damaged is compared up to the damage. It ends with 0 only if both ledgers are the
same; with 13 where they differ, also where one merely goes on; with 10 where one is damaged."
))]
pub struct Diff {
    /// The directory of a ledger.
    #[arg(value_name = "LEDGER_A")]
    a: PathBuf,
    /// The directory of another, or of a copy.
    #[arg(value_name = "LEDGER_B")]
    b: PathBuf,
}

/// How many differing values one report lists.
const MAX_FIELDS: usize = 50;

/// How much of a value is shown.
const MAX_VALUE_CHARS: usize = 100;

#[derive(Serialize)]
struct DiffReport {
    equal: bool,
    relation: Relation,
    common_entries: u64,
    common_head: Digest,
    a: SideView,
    b: SideView,
    entry: Option<EntryView>,
    #[serde(flatten)]
    states: StateDifferences,
}

/// One of the ledgers.
#[derive(Serialize)]
struct SideView {
    path: String,
    ledger: Option<LedgerId>,
    entries: u64,
    head: Digest,
    state_hash: Option<Digest>,
    damage: Option<Damage>,
    /// Why there is no state: the history is not what the rules give.
    illegal: Option<String>,
}

/// The first entry in which they differ.
#[derive(Serialize)]
struct EntryView {
    seq: u64,
    a: EntrySummary,
    b: EntrySummary,
    fields: Vec<FieldView>,
    more_fields: usize,
}

/// A value in which they differ, as JSON, shortened.
#[derive(Serialize)]
struct FieldView {
    path: String,
    a: Option<String>,
    b: Option<String>,
}

/// Runs `althing diff`.
pub fn run(diff: &Diff, output: &Output) -> Result<Exit, Failure> {
    let (a, b) = (LedgerReader::open(&diff.a)?, LedgerReader::open(&diff.b)?);
    let compared = compare(a.reader(), b.reader());
    let states = [(&a, &compared.a), (&b, &compared.b)].map(|(reader, side)| state(reader, side));
    let damaged = compared.a.damage.is_some() || compared.b.damage.is_some();
    let report = report(diff, compared, &states);
    output.report(&report)?;
    Ok(match (damaged, report.equal) {
        (true, _) => Exit::ChainBroken,
        (false, true) => Exit::Ok,
        (false, false) => Exit::Illegal,
    })
}

/// The state up to any damage; the reason where there is none.
fn state(reader: &LedgerReader, side: &Side) -> Result<State, String> {
    state_at(reader.reader(), &MlDsaVerifier, side.head.seq).map_err(|error| error.to_string())
}

fn report(
    diff: &Diff,
    compared: Comparison,
    [state_a, state_b]: &[Result<State, String>; 2],
) -> DiffReport {
    let states = state_differences(state_a.as_ref().ok(), state_b.as_ref().ok());
    let entry = compared.entry.map(|entry| {
        let more_fields = entry.fields.len().saturating_sub(MAX_FIELDS);
        let listed = entry.fields.into_iter().take(MAX_FIELDS);
        EntryView {
            seq: entry.seq,
            a: entry.a,
            b: entry.b,
            fields: listed
                .map(|field| FieldView {
                    path: field.path,
                    a: field.a.as_ref().map(shortened),
                    b: field.b.as_ref().map(shortened),
                })
                .collect(),
            more_fields,
        }
    });
    DiffReport {
        equal: compared.relation == Relation::Equal,
        relation: compared.relation,
        common_entries: compared.common.seq,
        common_head: compared.common.hash,
        a: side_view(&diff.a, compared.a, state_a),
        b: side_view(&diff.b, compared.b, state_b),
        entry,
        states,
    }
}

fn side_view(path: &Path, side: Side, state: &Result<State, String>) -> SideView {
    let Head { seq, hash } = side.head;
    // Damage within the founding leaves no state, and is no fault of the rules.
    let illegal = state.as_ref().err().filter(|_| seq > 0);
    SideView {
        path: path.display().to_string(),
        ledger: side.ledger,
        entries: seq,
        head: hash,
        state_hash: state.as_ref().ok().map(State::hash),
        illegal: illegal.cloned(),
        damage: side.damage,
    }
}

/// A value's JSON, cut after so many characters.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Report for DiffReport {
    const SCHEMA: &'static str = "althing.diff/1";

    fn text(&self) -> String {
        let mut text = format!("{}\n", bold(&self.verdict()));
        text.push_str(&fields(&[
            ("shared", plural_entries(self.common_entries)),
            ("A", side_line(&self.a)),
            ("B", side_line(&self.b)),
        ]));
        for (name, side) in [("A", &self.a), ("B", &self.b)] {
            if let Some(damage) = &side.damage {
                text.push_str(&format!(
                    "{} {name} is damaged at entry {}, byte {}: {} [{}]\n",
                    bad("problem:"),
                    damage.seq,
                    damage.offset,
                    escaped(&damage.message),
                    damage.code
                ));
            }
            if let Some(illegal) = &side.illegal {
                let illegal = escaped(illegal);
                text.push_str(&format!(
                    "{} {name} is illegal: {illegal}\n",
                    bad("problem:")
                ));
            }
        }
        text.push_str(&self.entry_text());
        text.push_str(&self.states_text());
        text
    }
}

impl DiffReport {
    fn verdict(&self) -> String {
        match self.relation {
            Relation::Equal => good("the ledgers are the same"),
            Relation::AIsLonger => "A goes on where B ends".to_owned(),
            Relation::BIsLonger => "B goes on where A ends".to_owned(),
            Relation::Diverged => bad("the ledgers have parted"),
            Relation::DifferentFounding => bad("these are two ledgers, founded apart"),
            Relation::Damaged => bad("damage keeps the ledgers from being compared"),
        }
    }

    fn entry_text(&self) -> String {
        let Some(entry) = &self.entry else {
            return String::new();
        };
        let summary = |entry: &EntrySummary| {
            let EntrySummary {
                operation,
                timestamp,
                entry_hash,
            } = entry;
            format!("{operation} {timestamp} {}", entry_hash.short())
        };
        let mut text = format!(
            "\nfirst difference at entry {}\n",
            bold(&entry.seq.to_string())
        );
        text.push_str(&fields(&[
            ("A", summary(&entry.a)),
            ("B", summary(&entry.b)),
        ]));
        for field in &entry.fields {
            let value = |value: &Option<String>| match value {
                Some(value) => escaped(value),
                None => dim("absent"),
            };
            text.push_str(&format!("{}\n", escaped(&field.path)));
            text.push_str(&format!(
                "  A  {}\n  B  {}\n",
                value(&field.a),
                value(&field.b)
            ));
        }
        if entry.more_fields > 0 {
            text.push_str(&dim(&format!("and {} more\n", entry.more_fields)));
        }
        text
    }

    fn states_text(&self) -> String {
        let StateDifferences {
            proposals,
            authorizations,
            nodes,
        } = &self.states;
        if proposals.is_empty() && authorizations.is_empty() && nodes.is_empty() {
            return String::new();
        }
        let mut grid = Grid::new(&["what", "which", "in A", "in B"]);
        for proposal in proposals {
            let status = |status: Option<Status>| status.map_or("-", Status::name).to_owned();
            grid.row([
                format!("proposal {}", proposal.proposal_id.short()),
                escaped(&proposal.subject),
                status(proposal.a),
                status(proposal.b),
            ]);
        }
        for grant in authorizations {
            let status =
                |status: Option<GrantStatus>| status.map_or("-", GrantStatus::name).to_owned();
            grid.row([
                format!("grant {}", grant.grant_id.short()),
                escaped(&grant.subject),
                status(grant.a),
                status(grant.b),
            ]);
        }
        for node in nodes {
            let standing = |standing: &Option<NodeStanding>| match standing {
                Some(NodeStanding {
                    status,
                    weight,
                    key,
                }) => {
                    let name = status.name();
                    format!("{name}, weight {weight}, key {}", key.short())
                }
                None => "-".to_owned(),
            };
            grid.row([
                "node".to_owned(),
                escaped(&node.name),
                standing(&node.a),
                standing(&node.b),
            ]);
        }
        format!("\n{}", grid.text())
    }
}

fn side_line(side: &SideView) -> String {
    let ledger = side.ledger.map(|ledger| ledger.to_string());
    format!(
        "{}, head {}, ledger {}  {}",
        plural_entries(side.entries),
        side.head.short(),
        ledger.map_or_else(|| "unknown".to_owned(), |ledger| ledger[..12].to_owned()),
        dim(&escaped(&side.path))
    )
}

fn plural_entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        _ => format!("{count} entries"),
    }
}
