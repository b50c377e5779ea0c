//! A ledger as pages for people: for auditors, without a server, a script or a network.
//!
//! Every page is a pure function from views to markup. [`file()`] puts all of them into one file that can
//! lie in a folder of evidence: links are anchors, style and script are part of it, and its content
//! security policy allows nothing else. With [`Links::Paths`] the same pages are served one by one, each in
//! a [`Shell`], and long lists are [cut](lists).
//!
//! The pages work without JavaScript. With it, the reader's browser computes every hash itself: see
//! [`verify`].
//!
//! Text from the ledger is never markup here, whatever stands in it: `maud` escapes it, and what would be
//! invisible or turn the direction of writing is written as its number.

pub mod authorizations;
mod document;
pub mod evidence;
mod frame;
pub mod links;
pub mod lists;
pub mod nodes;
pub mod overview;
mod parts;
pub mod predictions;
pub mod proposals;
mod served;
pub mod timeline;
pub mod verify;

pub use document::Document;
pub use frame::{ICON, SCRIPT, STYLE, csp, file};
pub use links::{Links, Place};
pub use served::{Ledger, Shell, content_security_policy, login, problem, served};
