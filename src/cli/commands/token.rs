//! `althing token`: let programs use the server.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::args::parse_time;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::{Grid, fields};
use crate::governance::label::Label;
use crate::governance::time::Timestamp;
use crate::server::access::Scope;
use crate::server::tokens::{Token, TokenError, TokenFile};

/// Let programs use the server.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token. It is shown once, and kept as a hash.
    #[command(after_long_help = help!(
        "  althing token create triage-service --scope predict
  althing token create dashboard --scope read --expires 2027-01-01T00:00:00Z"
    ))]
    Create(Create),
    /// List the tokens.
    #[command(after_long_help = help!("  althing token list"))]
    List,
    /// Take a token back, at once.
    #[command(after_long_help = help!("  althing token revoke 1f3c9a02"))]
    Revoke(Revoke),
}

/// Arguments of `token create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Whose token it is: the recorder of predictions that name none.
    name: Label,
    /// What it opens: read, predict, submit or sign. Repeatable.
    #[arg(long = "scope", value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// From when on it opens nothing. [default: never]
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    expires: Option<Timestamp>,
}

/// Arguments of `token revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The token's id.
    id: String,
}

/// One token, without what only its owner knows.
#[derive(Serialize)]
struct TokenView {
    id: String,
    name: Label,
    scopes: Vec<Scope>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl TokenView {
    fn of(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes,
            created_at: token.created_at,
            expires_at: token.expires_at,
        }
    }

    fn scopes(&self) -> String {
        let names: Vec<&str> = self.scopes.iter().map(|scope| scope.name()).collect();
        names.join(", ")
    }

    fn expires(&self) -> String {
        self.expires_at
            .map_or_else(|| "never".to_owned(), |at| at.to_string())
    }
}

#[derive(Serialize)]
struct CreateReport {
    #[serde(flatten)]
    token: TokenView,
    secret: String,
}

impl Report for CreateReport {
    const SCHEMA: &'static str = "althing.token-create/1";

    fn text(&self) -> String {
        fields(&[
            ("id", self.token.id.clone()),
            ("scopes", self.token.scopes()),
            ("expires", self.token.expires()),
            ("token", self.secret.clone()),
        ])
    }
}

#[derive(Serialize)]
struct ListReport {
    tokens: Vec<TokenView>,
}

impl Report for ListReport {
    const SCHEMA: &'static str = "althing.tokens/1";

    fn text(&self) -> String {
        if self.tokens.is_empty() {
            return "no tokens\n".to_owned();
        }
        let mut grid = Grid::new(&["id", "name", "scopes", "expires"]);
        for token in &self.tokens {
            grid.row([
                token.id.clone(),
                token.name.to_string(),
                token.scopes(),
                token.expires(),
            ]);
        }
        grid.text()
    }
}

#[derive(Serialize)]
struct RevokeReport {
    id: String,
    name: Label,
}

impl Report for RevokeReport {
    const SCHEMA: &'static str = "althing.token-revoke/1";

    fn text(&self) -> String {
        format!("revoked {} ({})\n", self.id, self.name)
    }
}

/// Runs `althing token`.
pub fn run(command: &TokenCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    crate::ledger::check_exists(session.ledger_dir())?;
    let file = TokenFile::of_ledger(session.ledger_dir());
    match command {
        TokenCommand::Create(create) => {
            let mut scopes = create.scopes.clone();
            scopes.sort_unstable();
            scopes.dedup();
            let new = file.create(create.name.clone(), scopes, session.now(), create.expires)?;
            output.note("this is shown once: keep it where only its user can read it");
            output.report(&CreateReport {
                token: TokenView::of(new.token),
                secret: new.secret,
            })?;
        }
        TokenCommand::List => {
            let tokens = file.list()?.into_iter().map(TokenView::of).collect();
            output.report(&ListReport { tokens })?;
        }
        TokenCommand::Revoke(revoke) => {
            let Token { id, name, .. } = file.revoke(&revoke.id)?;
            output.report(&RevokeReport { id, name })?;
        }
    }
    Ok(Exit::Ok)
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let failure = Self::new(Exit::Failure, error.code(), error.to_string());
        match &error {
            TokenError::Unknown(_) => failure.hint("`althing token list` shows their ids"),
            TokenError::Permissions { .. } => failure.hint("chmod 600 it"),
            _ => failure,
        }
    }
}
