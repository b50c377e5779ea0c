//! Logging in with a token, and out.

use std::sync::Arc;

use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest as _, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;

use super::people::{HTML, page};
use crate::clock::system_time;
use crate::pages;
use crate::server::access::{self, Access, Peer};
use crate::server::problem::{Code, Problem};
use crate::server::service::Service;

/// The most bytes of a form.
const MAX_BYTES: usize = 8 << 10;

/// Where a reader wants to go.
#[derive(Deserialize)]
pub(super) struct Aim {
    to: Option<String>,
}

/// What a reader sends.
#[derive(Deserialize)]
struct Entered {
    token: String,
    #[serde(default)]
    to: String,
}

/// Asks for a token, where one is needed.
pub(super) async fn form(State(service): State<Arc<Service>>, aim: Query<Aim>) -> Response {
    let to = aim.0.to.unwrap_or_default();
    if service.access() == Access::Open {
        return see(place(&to));
    }
    let html = page("Log in", &pages::login(None, place(&to)));
    ([(header::CONTENT_TYPE, HTML)], html).into_response()
}

/// Takes a token, and gives a cookie for it.
pub(super) async fn enter(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, Problem> {
    let peer = request.extensions().get::<Peer>().copied();
    access::take_login(&service, peer)?;
    if service.access() == Access::Open {
        access::check_host(request.headers(), peer)?;
    }
    check_origin(request.headers())?;
    let entered = read(&service, request).await?;
    let to = place(&entered.to);
    let token = match access::reader(&service, &entered.token) {
        Ok(token) => token,
        Err(problem) if problem.code().starts_with("access.") => return Ok(wrong(&problem, to)),
        Err(problem) => return Err(problem),
    };
    let cookie = service.sessions().cookie(&token, system_time());
    let cookie = cookie.ok_or_else(|| Problem::internal("token.randomness", &"no random bytes"))?;
    Ok(([(header::SET_COOKIE, cookie)], see(to)).into_response())
}

/// Takes the cookie back.
pub(super) async fn leave(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_origin(&headers)?;
    let cookie = service.sessions().no_cookie();
    Ok(([(header::SET_COOKIE, cookie)], see("/login")).into_response())
}

fn wrong(problem: &Problem, to: &str) -> Response {
    let words = match problem.code() {
        "access.scope" => {
            "This token does not open what can be read. Ask for one with the scope read."
        }
        _ => "This token is unknown, revoked or expired. Nothing but the whole token will do.",
    };
    let html = page("Log in", &pages::login(Some(words), to));
    let status = StatusCode::FORBIDDEN;
    let mut response = (status, [(header::CONTENT_TYPE, HTML)], html).into_response();
    response.extensions_mut().insert(Code(problem.code()));
    response
}

fn see(place: &str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, place.to_owned())],
    )
        .into_response()
}

/// A path of this server, whatever was sent: nobody is led elsewhere.
fn place(to: &str) -> &str {
    let is_plain = to
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_path = to.starts_with('/') && !to.starts_with("//");
    let is_loop = to.starts_with("/login") || to.starts_with("/logout");
    if is_plain && is_path && !is_loop && to.len() <= 2_000 {
        to
    } else {
        "/"
    }
}

/// Refuses forms that a page of another origin sends.
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    let is_foreign = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map(|it| it.1));
    let is_other = origin.is_some_and(|host| host.is_none() || host != text(header::HOST));
    if is_foreign || is_other {
        let message = "the form was sent by a page of another origin";
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "access.origin",
            message,
        ));
    }
    Ok(())
}

async fn read(service: &Service, request: Request) -> Result<Entered, Problem> {
    let malformed = |error: &dyn std::fmt::Display| {
        Problem::bad_request("request.form", format!("the form can't be read: {error}"))
    };
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BYTES).collect();
    let received = tokio::time::timeout(service.limits().patience, body).await;
    let bytes = received.map_err(|error| malformed(&error))?;
    let bytes = bytes.map_err(|error| malformed(&error))?.to_bytes();
    let request = Request::from_parts(parts, Body::from(bytes));
    let form = Form::<Entered>::from_request(request, &()).await;
    form.map(|Form(entered)| entered)
        .map_err(|error| malformed(&error.body_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for (to, expected) in [
            ("/timeline?before=7", "/timeline?before=7"),
            ("/", "/"),
            ("", "/"),
            ("timeline", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nset-cookie: x=y", "/"),
            ("/login?to=/", "/"),
            ("/logout", "/"),
        ] {
            assert_eq!(place(to), expected, "{to}");
        }
    }
}
