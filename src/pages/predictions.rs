//! Predictions of each model, and those that were made outside any grant.

use maud::{Markup, html};

use super::Document;
use super::links::Links;
use super::lists::Cut;
use super::parts::{self, Segment};
use crate::governance::state::prediction::PredictionCount;
use crate::views::history::{History, MAX_MODELS, ModelPredictions};
use crate::views::predictions::{ModelCount, PredictionsView};

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
        @else { (words()) }
        @for (model, count) in models {
            article.model {
                h3 { (parts::said(model.as_str())) }
                (figures(count.authorized, count.unauthorized))
                (outside(count, links))
            }
        }
        @if *other_predictions > 0 {
            p { (other_predictions) " more predictions are of other models: only the first "
                (MAX_MODELS) " models are told apart here." }
        }
    }
}

fn words() -> Markup {
    html! {
        p.quiet { "A prediction is outside a grant where none was in force for its model when it was recorded. "
            "That it says what the model said is its recorder's word." }
        ul.legend {
            li { span.key.approve {} "under a grant" }
            li { span.key.reject {} "outside any grant" }
        }
    }
}

/// The page of a server: what the state counts, and the last that were found outside any grant.
#[must_use]
pub fn counts(view: &PredictionsView, models: &Cut<'_, ModelCount>, links: Links) -> Markup {
    let PredictionCount {
        authorized,
        unauthorized,
    } = view.others;
    html! {
        @if view.models.is_empty() && authorized + unauthorized == 0 { p { "No prediction was recorded." } }
        @else { (words()) }
        @for ModelCount { model, count } in models.shown {
            article.model {
                h3 { (parts::said(model.as_str())) }
                @if count.authorized + count.unauthorized == 0 { p.quiet { "None since its first grant." } }
                @else { (figures(count.authorized, count.unauthorized)) }
            }
        }
        (models.steps("Other models"))
        @if authorized + unauthorized > 0 {
            article.model {
                h3 { "All other models" }
                (figures(authorized, unauthorized))
                p.quiet { "Models are told apart from their first grant on. What was reported of them before, and of models that "
                    "never had one, is counted together here; the timeline has each prediction." }
            }
        }
        (last_outside(view, links))
    }
}

fn last_outside(view: &PredictionsView, links: Links) -> Markup {
    html! {
        h3 { "The last outside any grant" }
        @if view.entries < view.looked_from { p { "There is nothing to look at." } }
        @else { p.quiet { "Looked for in entries " (view.looked_from) " to " (view.entries)
            @if view.looked_from > 1 { "; older ones are in the timeline" } "." } }
        @if view.outside.is_empty() { p { "None." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="The last predictions outside any grant" {
                table {
                    thead { tr {
                        th scope="col" { "Entry" } th scope="col" { "Recorded" } th scope="col" { "Model" }
                        th scope="col" { "Version" }
                    } }
                    tbody {
                        @for found in &view.outside {
                            tr {
                                th.narrow scope="row" { a href=(links.entry(found.seq)) { (found.seq) } }
                                td { (parts::time(found.at)) }
                                td { (parts::said(found.model.as_str())) }
                                td { (parts::said(&found.model_version)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn figures(authorized: u64, unauthorized: u64) -> Markup {
    let segments = [("approve", authorized), ("reject", unauthorized)];
    let segments = segments.map(|(class, weight)| Segment { class, weight });
    html! {
        p {
            strong { (authorized) } " under a grant, " strong { (unauthorized) } " outside any grant "
            @if unauthorized > 0 { (parts::badge("bad", "outside a grant")) }
            @else { (parts::badge("good", "all under a grant")) }
        }
        (parts::bar(&segments, authorized + unauthorized, None))
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
