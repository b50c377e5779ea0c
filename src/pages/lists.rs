//! Long lists, a part at a time.

use maud::{Markup, html};

/// A part of a list, and where its neighbours are.
#[derive(Debug)]
pub struct Cut<'a, T> {
    /// The part.
    pub shown: &'a [T],
    /// Where the part before is, if there is one.
    pub back: Option<String>,
    /// Where the next part is, if there is one.
    pub on: Option<String>,
}

impl<T> Cut<'_, T> {
    /// Leads to the neighbours, `what` they are.
    #[must_use]
    pub fn steps(&self, what: &str) -> Markup {
        html! {
            @if self.back.is_some() || self.on.is_some() {
                nav.steps aria-label=(what) {
                    @if let Some(back) = &self.back { a rel="prev" href=(back) { "← First" } }
                    @else { span.quiet { "← First" } }
                    @if let Some(on) = &self.on { a rel="next" href=(on) { "More →" } }
                    @else { span.quiet { "More →" } }
                }
            }
        }
    }
}
