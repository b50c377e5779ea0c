//! What programs are shown of a ledger: proposals, grants, nodes, evidence, the history.
//!
//! The command line, a server and pages for people all show the same things. Here is the one form of
//! each: a value made of the state, or of an event, that is written as JSON under the name and version
//! of its form. How it looks (a table, a page) is for those who show it to say.
//!
//! Text in a view is as it stands in the ledger. Whoever shows it escapes it: see [`text`].

pub mod audit;
pub mod authorizations;
pub mod checkpoint;
pub mod counting;
pub mod evidence;
pub mod filter;
pub mod history;
pub mod nodes;
pub mod overview;
pub mod predictions;
pub mod proposals;
pub mod stretch;
pub mod text;
pub mod why;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::governance::id::NodeId;
use crate::governance::state::State;

/// A view with a JSON form of its own.
pub trait View: Serialize {
    /// The name and version of the JSON form, such as `althing.proposal/1`.
    const SCHEMA: &'static str;

    /// The JSON form: the members of the view, and `schema` with the name of the form.
    fn to_json(&self) -> Value {
        json(Self::SCHEMA, self)
    }
}

/// The members of `value`, and `schema`. What is no object leaves `schema` alone.
#[must_use]
pub fn json(schema: &str, value: &(impl Serialize + ?Sized)) -> Value {
    let mut object = Map::new();
    object.insert("schema".to_owned(), schema.into());
    if let Ok(Value::Object(members)) = serde_json::to_value(value) {
        object.extend(members);
    }
    Value::Object(object)
}

/// What a node is called, or the start of its id where it is not registered.
#[must_use]
pub fn name_of(node: NodeId, state: &State) -> String {
    let registered = state.registry().get(node);
    registered.map_or_else(|| node.short(), |node| node.name().to_string())
}
