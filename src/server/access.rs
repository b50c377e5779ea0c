//! Who may ask for what.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::service::Service;
use super::tokens::Token;
use crate::clock::system_time;
use crate::governance::label::Label;

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Everything that can be read.
    Read,
    /// Recording predictions.
    Predict,
    /// Handing in signed statements and evidence, and asking for what is due.
    Submit,
    /// Having the service's node propose, vote and withdraw.
    Sign,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Read, Self::Predict, Self::Submit, Self::Sign];

    /// Whether a token is needed even where anyone may read.
    const fn takes_token(self) -> bool {
        matches!(self, Self::Predict | Self::Sign)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Predict => "predict",
            Self::Submit => "submit",
            Self::Sign => "sign",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| "expected read, predict, submit or sign".to_owned())
    }
}

/// Who may do what without a token. Predictions always take one: nothing else says who reports them. So do
/// signatures: nothing else says who may have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone may read, and hand in statements, which carry their signatures.
    Open,
    /// Nobody may do anything.
    Tokens,
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// The token's name.
    pub(super) name: Option<Label>,
    /// Whether it came with a cookie instead of the token itself.
    pub(super) has_session: bool,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What is asked of everyone who asks for something of a scope.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) service: Arc<Service>,
    pub(super) scope: Scope,
}

/// Lets a request pass that may.
pub(super) async fn pass(
    State(Gate { service, scope }): State<Gate>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if scope == Scope::Sign && !service.signs() {
        return Err(signs_for_nobody());
    }
    let peer = request.extensions().get::<Peer>().copied();
    let bearer = match token_of(&service, request.headers()) {
        Ok(token) => token,
        Err(problem) => {
            // Who guesses does it at the address's cost.
            slow_down(&service, None, peer)?;
            return Err(problem);
        }
    };
    let session = match bearer {
        None if scope == Scope::Read && is_reading(request.method()) => {
            session_of(&service, request.headers())?
        }
        _ => None,
    };
    let has_session = session.is_some();
    let token = bearer.or(session);
    match &token {
        Some(token) => require(token, scope)?,
        None if scope.takes_token() || service.access() == Access::Tokens => {
            let expected = format!("expected a bearer token with the scope {}", scope.name());
            return Err(
                Problem::new(StatusCode::UNAUTHORIZED, "access.token-missing", expected)
                    .hint("the operator makes one with `althing token create`"),
            );
        }
        _ => {}
    }
    if token.is_none() {
        check_host(request.headers(), peer)?;
    }
    slow_down(&service, token.as_ref(), peer)?;
    let name = token.map(|token| token.name);
    request
        .extensions_mut()
        .insert(Client { name, has_session });
    Ok(next.run(request).await)
}

pub(super) fn signs_for_nobody() -> Problem {
    Problem::not_found("signing.off", "this server signs for no node").hint(
        "hand in signed statements with POST /v1/statements, or run `althing serve --sign-as NODE`",
    )
}

fn is_reading(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// The token that somebody logged in with. A browser sends its cookie whether anybody asks for one or not:
/// one that opens nothing is none.
fn session_of(service: &Service, headers: &HeaderMap) -> Result<Option<Token>, Problem> {
    let Some(claim) = service.sessions().claim(headers) else {
        return Ok(None);
    };
    let now = system_time();
    let token = service.tokens().with_id(claim.token_id, now);
    let token = token.map_err(|error| Problem::internal(error.code(), &error))?;
    Ok(token.filter(|token| service.sessions().holds(&claim, token, now)))
}

fn invalid() -> Problem {
    let message = "the token is unknown, revoked or expired, or is not a bearer token";
    Problem::new(StatusCode::UNAUTHORIZED, "access.token-invalid", message)
}

/// The token that a secret is of, where it opens what can be read.
pub(super) fn reader(service: &Service, secret: &str) -> Result<Token, Problem> {
    let found = service.tokens().find(secret.trim(), system_time());
    let found = found.map_err(|error| Problem::internal(error.code(), &error))?;
    let token = found.ok_or_else(invalid)?;
    require(&token, Scope::Read)?;
    Ok(token)
}

fn require(token: &Token, scope: Scope) -> Result<(), Problem> {
    if token.scopes.contains(&scope) {
        return Ok(());
    }
    let found: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
    let expected = format!(
        "expected a token with the scope {}, found {}",
        scope.name(),
        found.join(", ")
    );
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "access.scope",
        expected,
    ))
}

/// The token that came with the request. One that opens nothing is never passed over.
fn token_of(service: &Service, headers: &HeaderMap) -> Result<Option<Token>, Problem> {
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = header.to_str().map_err(|_| invalid())?;
    let (scheme, secret) = text.split_once(' ').ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    let found = service.tokens().find(secret.trim(), system_time());
    let found = found.map_err(|error| Problem::internal(error.code(), &error))?;
    found.ok_or_else(invalid).map(Some)
}

/// Refuses a page in a browser on this machine that reached the service under a name of the page's own
/// making (DNS rebinding): to the browser, both are one site.
pub(super) fn check_host(headers: &HeaderMap, peer: Option<Peer>) -> Result<(), Problem> {
    if !peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback()) {
        return Ok(());
    }
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_address = host.parse::<SocketAddr>().is_ok()
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let name = host.split(':').next().unwrap_or_default();
    if is_address || name.eq_ignore_ascii_case("localhost") {
        return Ok(());
    }
    let status = StatusCode::MISDIRECTED_REQUEST;
    let message = "without a token, expected the host localhost or an address";
    Err(Problem::new(status, "access.host", message)
        .hint("behind a proxy, use tokens: --access tokens"))
}

fn slow_down(service: &Service, token: Option<&Token>, peer: Option<Peer>) -> Result<(), Problem> {
    let Some(rate) = service.limits().rate else {
        return Ok(());
    };
    let client = match (token, peer) {
        (Some(token), _) => token.id.clone(),
        (None, Some(Peer(address))) => block(address.ip()),
        (None, None) => String::new(),
    };
    let taken = service.rates().take(&client, rate, Instant::now());
    taken.map_err(|wait| {
        let message = format!("expected at most {rate} requests a second on average");
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(1).max(1);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.rate", message).retry_after(seconds)
    })
}

/// As many attempts to log in a second as one address has, on average.
const LOGINS: u32 = 5;

/// Takes an attempt to log in.
pub(super) fn take_login(service: &Service, peer: Option<Peer>) -> Result<(), Problem> {
    let client = peer.map_or_else(String::new, |Peer(address)| block(address.ip()));
    let taken = service.logins().take(&client, LOGINS, Instant::now());
    taken.map_err(|_| {
        let message = format!("expected at most {LOGINS} attempts to log in a second");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.rate", message).retry_after(1)
    })
}

/// Addresses that one owner has by the million are one client.
fn block(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
