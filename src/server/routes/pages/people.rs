//! Who asks for HTML is answered with HTML, also where there is a problem; and what a browser may do with it.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::assets;
use crate::pages::{self, Shell, content_security_policy};
use crate::server::problem::Problem;

pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Whether the client is a browser that somebody looks at.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| {
        value
            .split(',')
            .any(|it| it.trim().starts_with("text/html"))
    })
}

/// Shows problems as pages, and says what a browser may do with any page.
pub(super) async fn shown(request: Request, next: Next) -> Response {
    let wants_html = wants_html(request.headers());
    let path = request.uri().path().to_owned();
    let to = request.uri().path_and_query().map(ToString::to_string);
    let mut response = next.run(request).await;
    if wants_html && let Some(problem) = response.extensions().get::<Problem>() {
        let html = problem_page(response.status(), problem, &to.unwrap_or_default());
        replace(&mut response, html);
    }
    let fetches = path == "/verify" && response.status() == StatusCode::OK;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(
        header::CONTENT_SECURITY_POLICY,
        content_security_policy(fetches),
    );
    // Without a referrer, browsers would hide the origin of our own forms, too.
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::CACHE_CONTROL, "no-store");
    set(header::VARY, "accept");
    set(COOP, "same-origin");
    response
}

const COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

fn replace(response: &mut Response, html: String) {
    let new = html.into_response();
    *response.body_mut() = new.into_body();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(HTML));
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(header::REFRESH, HeaderValue::from_static("2"));
    }
}

fn problem_page(status: StatusCode, problem: &Problem, to: &str) -> String {
    let is_asked_to_log_in = status == StatusCode::UNAUTHORIZED;
    let (title, body) = match problem.code() {
        "access.token-missing" => ("Log in", pages::login(None, to)),
        _ if is_asked_to_log_in => ("Log in", pages::login(Some(problem.detail()), to)),
        "server.starting" => ("Just starting", starting()),
        code => {
            let (detail, hint) = (problem.detail(), problem.advice());
            let body = pages::problem(status.as_u16(), code, detail, hint);
            (problem.title(), body)
        }
    };
    page(title, &body)
}

fn starting() -> maud::Markup {
    maud::html! {
        p.notice { "The server is still replaying the ledger: every entry is checked before anything is shown. "
            "This page asks again every two seconds." }
    }
}

/// A page that tells nothing of the ledger.
pub(super) fn page(title: &str, body: &maud::Markup) -> String {
    let shell = Shell {
        ledger: None,
        title,
        place: None,
        twin: None,
        can_leave: false,
        assets: assets::paths(),
    };
    pages::served(&shell, body)
}

/// Where nothing is: a page for who asks for one.
pub(in super::super) async fn unknown(request: Request, next: Next) -> Response {
    let is_for_programs = request.uri().path().starts_with("/v1/");
    if is_for_programs {
        return next.run(request).await;
    }
    shown(request, next).await
}
