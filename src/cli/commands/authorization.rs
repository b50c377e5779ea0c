//! `althing authorization`: who may do what, and why not.

use clap::{Args, Subcommand};

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::{Moment, Past, Session};
use crate::cli::style::{Grid, bad, bold, dim, good};
use crate::governance::id::Subject;
use crate::governance::kind::AuthorizationKind;
use crate::governance::scope::CheckContext;
use crate::governance::state::authorization::CheckReason;
use crate::views::authorizations::{AuthorizationList, CheckView, GrantView};
use crate::views::why::WhyView;
use crate::views::{View, text};

/// Ask who is authorized.
#[derive(Debug, Subcommand)]
pub enum AuthorizationCommand {
    /// List the grants.
    #[command(after_long_help = help!(
        "  althing authorization list\n  althing authorization list --at 2026-05-04T09:30:00Z"
    ))]
    List(Past),
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
    #[command(flatten)]
    past: Past,
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
            text::scope(&grant.scope),
        ]);
    }
    grid.text()
}

impl Report for AuthorizationList {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        table(&self.authorizations)
    }
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

impl Report for CheckView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let mut shown = verdict(self.kind, &self.subject, self.reason) + "\n";
        for grant in &self.grants {
            let expires = grant
                .expires_at
                .map_or_else(String::new, |at| format!(", expires {at}"));
            shown.push_str(&format!(
                "  grant {} of entry {}: {}{expires}, {}\n",
                grant.id.short(),
                grant.granted_seq,
                grant.status.name(),
                text::scope(&grant.scope)
            ));
        }
        for (name, limit) in &self.obligations {
            shown.push_str(&format!("  obligation: {name} ≤ {limit}\n"));
        }
        shown.push_str(&dim(&format!(
            "  as of {}, entry {}\n",
            self.at, self.as_of_seq
        )));
        shown
    }
}

/// Runs `althing authorization`.
pub fn run(
    command: &AuthorizationCommand,
    session: &Session,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        AuthorizationCommand::List(past) => {
            let Moment { state, at, .. } = session.read_past(*past)?;
            output.report(&AuthorizationList::of(&state, at))?;
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
    let Moment { state, at, .. } = session.read_past(question.past)?;
    let answer = CheckView::of(*kind, subject, &context, &state, at);
    output.report(&answer)?;
    Ok(exit(answer.allowed))
}

fn why(question: &Question, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let Question { subject, kind, .. } = question;
    let context = context(&question.context)?;
    let Moment { state, at, .. } = session.read_past(question.past)?;
    let answer = WhyView::of(*kind, subject, &context, &state, at);
    output.report(&answer)?;
    Ok(exit(answer.allowed))
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
