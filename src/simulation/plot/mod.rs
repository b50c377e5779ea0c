//! Figures as SVG, and a report in one HTML file.
//!
//! Plain shapes and text on a light ground, in colours that are told apart without seeing red from
//! green (Okabe and Ito), every line with its name beside it. Nothing here decides anything.

#![allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "places on a page; nothing is decided by them"
)]

mod canvas;
mod decisions;
mod html;
mod latency;
mod timeline;

pub use decisions::decisions_svg;
pub use html::html;
pub use latency::latency_svg;
pub use timeline::timeline_svg;
