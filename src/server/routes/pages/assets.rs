//! Style, script and icon: their names hold the start of their hash, so that they can be kept for ever.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use crate::governance::digest::Digest;
use crate::pages::{ICON, SCRIPT, STYLE};
use crate::server::json::Path;
use crate::server::problem::Problem;

struct Asset {
    path: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn answer(&self, kept: &'static str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind),
            (header::CACHE_CONTROL, kept),
        ];
        (headers, self.text).into_response()
    }
}

fn all() -> &'static [Asset; 3] {
    static ALL: OnceLock<[Asset; 3]> = OnceLock::new();
    ALL.get_or_init(|| {
        let kinds = [
            ("css", "text/css; charset=utf-8", STYLE),
            ("js", "text/javascript; charset=utf-8", SCRIPT),
            ("svg", "image/svg+xml", ICON),
        ];
        kinds.map(|(ending, kind, text)| Asset {
            path: format!("/assets/{}.{ending}", Digest::of(text.as_bytes()).short()),
            kind,
            text,
        })
    })
}

/// Where style, script and icon are.
pub(super) fn paths() -> [&'static str; 3] {
    let [style, script, icon] = all();
    [&style.path, &script.path, &icon.path]
}

/// One of them.
pub(super) async fn one(Path(name): Path<String>) -> Result<Response, Problem> {
    let is_it = |asset: &&Asset| asset.path.strip_prefix("/assets/") == Some(name.as_str());
    let found = all().iter().find(is_it);
    let asset =
        found.ok_or_else(|| Problem::not_found("request.unknown-path", "there is nothing here"))?;
    Ok(asset.answer("public, max-age=31536000, immutable"))
}

/// The icon, at the place where browsers look for one.
pub(super) async fn icon() -> Response {
    let [_, _, icon] = all();
    icon.answer("public, max-age=86400")
}
