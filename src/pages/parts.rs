//! What all pages are made of: text from the ledger, times, hashes, bars.

use maud::{Markup, PreEscaped, html};

use super::links::Links;
use crate::governance::digest::Digest;
use crate::governance::display_text;
use crate::governance::id::NodeId;
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::proposal::Status;
use crate::governance::state::registry::NodeStatus;
use crate::governance::time::Timestamp;
use crate::views::text::{escaped, escaped_lines};

/// A line of text from the ledger: no character of it moves another one, or is invisible.
pub(super) fn said(text: &str) -> Markup {
    html! { bdi { (escaped(text)) } }
}

/// Longer text from the ledger, line by line.
pub(super) fn prose(text: &str) -> Markup {
    let lines = escaped_lines(text);
    html! {
        @for (index, line) in lines.iter().enumerate() {
            @if index > 0 { br; }
            bdi { (line) }
        }
    }
}

/// A hash, whole.
pub(super) fn hash(digest: &Digest) -> Markup {
    html! { code.hash { (digest) } }
}

/// A moment, to the second; the ledger keeps microseconds.
pub(super) fn time(at: Timestamp) -> Markup {
    let whole = at.to_string();
    let shown = whole.get(..19).unwrap_or(&whole).replace('T', " ");
    html! { time datetime=(whole) { (shown) } }
}

/// A node by its name, leading to the registry.
pub(super) fn node(id: NodeId, name: &str, links: Links) -> Markup {
    html! { a href=(links.node(id)) { (said(name)) } }
}

/// An entry by its number.
pub(super) fn entry(seq: u64, links: Links) -> Markup {
    html! { a href=(links.entry(seq)) { "entry " (seq) } }
}

/// A word about how something stands; the colour says nothing that the word does not.
pub(super) fn badge(class: &str, word: &str) -> Markup {
    html! { span class={ "badge " (class) } { (word) } }
}

/// Where a proposal is in its life.
pub(super) fn status(status: Status) -> Markup {
    let class = match status {
        Status::Executed => "good",
        Status::Voting | Status::Passed | Status::Queued => "open",
        Status::Overturned | Status::Failed | Status::Rejected => "bad",
        Status::Expired | Status::Withdrawn | Status::Superseded | Status::Lapsed => "over",
    };
    badge(class, status.name())
}

/// Whether a grant holds.
pub(super) fn grant_status(status: GrantStatus) -> Markup {
    let class = if status == GrantStatus::Live {
        "good"
    } else {
        "over"
    };
    badge(class, status.name())
}

/// Whether a node takes part.
pub(super) fn node_status(status: NodeStatus) -> Markup {
    let class = if status == NodeStatus::Active {
        "good"
    } else {
        "bad"
    };
    badge(class, status.name())
}

/// A part of a bar.
pub(super) struct Segment {
    pub(super) class: &'static str,
    pub(super) weight: u64,
}

/// The length of every bar, in its own units.
const LENGTH: u128 = 1000;

/// Weights side by side as shares of `total`, with a mark where something is reached. What it shows
/// must stand beside it in words.
pub(super) fn bar(segments: &[Segment], total: u64, mark: Option<u64>) -> Markup {
    let place = |weight: u64| {
        let length = u128::from(weight) * LENGTH;
        length.checked_div(u128::from(total)).unwrap_or_default()
    };
    let mut start = 0;
    let mut rects = Vec::new();
    for segment in segments {
        let end = start + segment.weight;
        rects.push((segment.class, place(start), place(end) - place(start)));
        start = end;
    }
    html! {
        svg.bar viewBox="0 0 1000 20" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            rect.ground x="0" y="3" width="1000" height="14" {}
            @for (class, x, width) in rects {
                @if width > 0 { rect class=(class) x=(x) y="3" width=(width) height="14" {} }
            }
            @if let Some(mark) = mark {
                @let x = place(mark);
                line.mark x1=(x) x2=(x) y1="0" y2="20" {}
            }
        }
    }
}

/// Lines of a ledger, so that a script finds their very bytes again: whatever can't be seen, or moves
/// what can, stands as its number in an element of its own.
pub(super) fn raw(text: &str) -> Markup {
    let mut out = String::with_capacity(text.len() + text.len() / 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' => out.push('\n'),
            c if display_text::is_plain(c.encode_utf8(&mut [0; 4])) => out.push(c),
            c => out.push_str(&format!("<i>{}</i>", c.escape_unicode())),
        }
    }
    PreEscaped(out)
}
