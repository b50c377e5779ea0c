//! `althing authorization`: who may do what, and why not.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::commands::why_report::WhyReport;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::{At, Moment, Session};
use crate::cli::style::{Grid, bad, bold, dim, good};
use crate::governance::id::{GrantId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::scope::{CheckContext, Scope};
use crate::governance::state::State;
use crate::governance::state::authorization::{CheckReason, GrantStatus};
use crate::governance::time::Timestamp;

/// Ask who is authorized.
#[derive(Debug, Subcommand)]
pub enum AuthorizationCommand {
    /// List the grants.
    #[command(after_long_help = help!(
        "  althing authorization list\n  althing authorization list --at 2026-05-04T09:30:00Z"
    ))]
    List(List),
    /// Ask whether a subject may act. Exit code 0 means yes, 3 means no.
    #[command(after_long_help = help!(
        "  althing authorization check did:example:triage --kind model
  althing authorization check did:example:triage --kind model --context environment=prod
  althing authorization check did:example:triage --kind model --at 42"
    ))]
    Check(Question),
    /// Show where an authorization comes from: grant, decision, ballots and keys. Exit codes as for
    /// `check`.
    #[command(after_long_help = help!(
        "  althing authorization why did:example:triage --kind model
  althing authorization why did:example:triage --kind model --at 2026-05-04T09:30:00Z
  althing authorization why did:example:triage --kind model --as-known-at 42 --at 2026-06-01T00:00:00Z"
    ))]
    Why(Question),
}

/// Arguments of `authorization list`.
#[derive(Debug, Args)]
pub struct List {
    /// As of an entry number or a time, instead of now.
    #[arg(long, value_name = "SEQ|TIME")]
    at: Option<At>,
}

/// Who wants to do what, when: arguments of `authorization check` and `authorization why`.
#[derive(Debug, Args)]
pub struct Question {
    /// The model or agent.
    subject: Subject,
    /// model, agent or delegation.
    #[arg(long)]
    kind: AuthorizationKind,
    /// A circumstance of the action, which the answer takes your word for. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// As of an entry number or a time, instead of now.
    #[arg(long, value_name = "SEQ|TIME")]
    at: Option<At>,
    /// Only from what the first SEQ entries say, whatever came later.
    #[arg(long, value_name = "SEQ")]
    as_known_at: Option<u64>,
}

/// One grant.
#[derive(Serialize)]
pub struct GrantView {
    id: GrantId,
    subject: Subject,
    kind: AuthorizationKind,
    status: GrantStatus,
    parent: Option<GrantId>,
    scope: Scope,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    granted_seq: u64,
    granted_at: Timestamp,
}

impl GrantView {
    fn of(id: GrantId, state: &State, at: Timestamp) -> Option<Self> {
        let grant = state.authorizations().get(id)?;
        let terms = grant.terms();
        Some(Self {
            id,
            subject: terms.subject.clone(),
            kind: grant.kind(),
            status: state.authorizations().status(id, at)?,
            parent: grant.parent(),
            scope: terms.scope.clone(),
            not_before: terms.not_before,
            expires_at: terms.expires_at,
            granted_seq: grant.granted_seq(),
            granted_at: grant.granted_at(),
        })
    }
}

/// All grants as of `at`, in the order in which they were given.
pub fn views(state: &State, at: Timestamp) -> Vec<GrantView> {
    state
        .authorizations()
        .iter()
        .filter_map(|(id, _)| GrantView::of(id, state, at))
        .collect()
}

/// Grants as a table.
pub fn table(grants: &[GrantView]) -> String {
    if grants.is_empty() {
        return "no grants\n".to_owned();
    }
    let mut grid = Grid::new(&["id", "kind", "subject", "status", "expires", "scope"]);
    for grant in grants {
        grid.row([
            grant.id.short(),
            grant.kind.to_string(),
            grant.subject.to_string(),
            grant.status.name().to_owned(),
            grant
                .expires_at
                .map_or_else(|| "never".to_owned(), |at| at.to_string()),
            scope_text(&grant.scope),
        ]);
    }
    grid.text()
}

pub fn scope_text(scope: &Scope) -> String {
    use crate::governance::scope::Dimension;
    if scope.is_unrestricted() {
        return "unrestricted".to_owned();
    }
    let parts: Vec<String> = scope
        .dimensions()
        .map(|(key, dimension)| match dimension {
            Dimension::Limit(limit) => format!("{key}={limit}"),
            Dimension::Values(values) => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                format!("{key}={}", values.join("|"))
            }
        })
        .collect();
    parts.join(" ")
}

#[derive(Serialize)]
struct AuthorizationList {
    at: Timestamp,
    authorizations: Vec<GrantView>,
}

impl Report for AuthorizationList {
    const SCHEMA: &'static str = "althing.authorizations/1";

    fn text(&self) -> String {
        table(&self.authorizations)
    }
}

/// The answer to a check.
#[derive(Serialize)]
struct CheckReport {
    allowed: bool,
    reason: CheckReason,
    subject: Subject,
    kind: AuthorizationKind,
    at: Timestamp,
    as_of_seq: u64,
    grants: Vec<GrantView>,
    obligations: BTreeMap<String, u64>,
}

/// The answer in one line.
pub fn verdict(kind: AuthorizationKind, subject: &Subject, reason: CheckReason) -> String {
    let answer = if reason == CheckReason::Granted {
        good("allowed")
    } else {
        bad("denied")
    };
    format!("{}: {kind} {subject} ({})", bold(&answer), reason.name())
}

impl Report for CheckReport {
    const SCHEMA: &'static str = "althing.authorization-check/1";

    fn text(&self) -> String {
        let mut text = verdict(self.kind, &self.subject, self.reason) + "\n";
        for grant in &self.grants {
            let expires = grant
                .expires_at
                .map_or_else(String::new, |at| format!(", expires {at}"));
            text.push_str(&format!(
                "  grant {} of entry {}: {}{expires}, {}\n",
                grant.id.short(),
                grant.granted_seq,
                grant.status.name(),
                scope_text(&grant.scope)
            ));
        }
        for (name, limit) in &self.obligations {
            text.push_str(&format!("  obligation: {name} ≤ {limit}\n"));
        }
        text.push_str(&dim(&format!(
            "  as of {}, entry {}\n",
            self.at, self.as_of_seq
        )));
        text
    }
}

/// Runs `althing authorization`.
pub fn run(
    command: &AuthorizationCommand,
    session: &Session,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        AuthorizationCommand::List(list) => {
            let Moment { state, at, .. } = session.read_at(list.at)?;
            output.report(&AuthorizationList {
                at,
                authorizations: views(&state, at),
            })?;
            Ok(Exit::Ok)
        }
        AuthorizationCommand::Check(question) => check(question, session, output),
        AuthorizationCommand::Why(question) => why(question, session, output),
    }
}

const fn exit(allowed: bool) -> Exit {
    if allowed { Exit::Ok } else { Exit::Refused }
}

fn check(question: &Question, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let Question { subject, kind, .. } = question;
    let context = context(&question.context)?;
    let Moment { state, at, .. } = session.read_as_known(question.as_known_at, question.at)?;
    let outcome = state.authorizations().check(*kind, subject, &context, at);
    let grants = outcome
        .grants
        .iter()
        .filter_map(|id| GrantView::of(*id, &state, at));
    let allowed = outcome.is_allowed();
    output.report(&CheckReport {
        allowed,
        reason: outcome.reason,
        subject: subject.clone(),
        kind: *kind,
        at,
        as_of_seq: state.entries(),
        grants: grants.collect(),
        obligations: outcome.obligations,
    })?;
    Ok(exit(allowed))
}

fn why(question: &Question, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let Question { subject, kind, .. } = question;
    let context = context(&question.context)?;
    let Moment { state, at, .. } = session.read_as_known(question.as_known_at, question.at)?;
    let answer = state.why(*kind, subject, &context, at);
    let allowed = answer.outcome.is_allowed();
    output.report(&WhyReport::new(answer, subject.clone(), *kind, at, &state))?;
    Ok(exit(allowed))
}

fn context(arguments: &[String]) -> Result<CheckContext, Failure> {
    let mut context = CheckContext::default();
    for argument in arguments {
        let bad = |problem: String| {
            Failure::usage("check.context", format!("--context {argument}: {problem}"))
        };
        let (key, value) = argument
            .split_once('=')
            .ok_or_else(|| bad("expected KEY=VALUE".to_owned()))?;
        context
            .set(key, value)
            .map_err(|error| bad(error.to_string()))?;
    }
    Ok(context)
}
