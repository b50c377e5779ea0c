//! Predictions of each model, and those that were made outside any grant.

use maud::{Markup, html};

use super::Document;
use super::links::Links;
use super::parts::{self, Segment};
use crate::views::history::{History, MAX_MODELS, ModelPredictions};

/// The page.
#[must_use]
pub fn page(document: &Document, links: Links) -> Markup {
    let History {
        models,
        other_predictions,
        ..
    } = &document.history;
    html! {
        @if models.is_empty() { p { "No prediction was recorded." } }
        @else {
            p.quiet { "A prediction is outside a grant where none was in force for its model when it was recorded. "
                "That it says what the model said is its recorder's word." }
            ul.legend {
                li { span.key.approve {} "under a grant" }
                li { span.key.reject {} "outside any grant" }
            }
        }
        @for (model, count) in models {
            article.model {
                h3 { (parts::said(model.as_str())) }
                (figures(count))
                (outside(count, links))
            }
        }
        @if *other_predictions > 0 {
            p { (other_predictions) " more predictions are of other models: only the first "
                (MAX_MODELS) " models are told apart here." }
        }
    }
}

fn figures(count: &ModelPredictions) -> Markup {
    let segments = [
        ("approve", count.authorized),
        ("reject", count.unauthorized),
    ];
    let segments = segments.map(|(class, weight)| Segment { class, weight });
    html! {
        p {
            strong { (count.authorized) } " under a grant, " strong { (count.unauthorized) } " outside any grant "
            @if count.unauthorized > 0 { (parts::badge("bad", "outside a grant")) }
            @else { (parts::badge("good", "all under a grant")) }
        }
        (parts::bar(&segments, count.authorized + count.unauthorized, None))
    }
}

fn outside(count: &ModelPredictions, links: Links) -> Markup {
    let named = count.outside.len() as u64;
    html! {
        @if named > 0 {
            details {
                summary { "Those outside any grant"
                    @if named < count.unauthorized { ": the first " (named) } }
                ul {
                    @for prediction in &count.outside {
                        li {
                            a href=(links.entry(prediction.run)) { "entry " (prediction.seq) }
                            ", " (parts::time(prediction.at)) ", version " (parts::said(&prediction.model_version))
                        }
                    }
                }
            }
        }
    }
}
