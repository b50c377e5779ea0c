//! How views are described: the name of each form, and the members that are always there.
//!
//! The views themselves know nothing of HTTP. A test holds every answer to what is said here.

use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::views::View;
use crate::views::authorizations::{AuthorizationList, CheckView};
use crate::views::counting::ProposalOutlook;
use crate::views::evidence::{self, BallotsView, CheckpointsView, ConsensusView};
use crate::views::nodes::{NodeList, NodeView};
use crate::views::overview::StateView;
use crate::views::predictions::PredictionsView;
use crate::views::proposals::{ProposalList, ProposalView};
use crate::views::why::WhyView;

/// What a member holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Number,
    Flag,
    List,
    Object,
    /// A text, or null.
    MaybeText,
    /// An object, or null.
    MaybeObject,
}

use Holds::{Flag, List, MaybeObject, MaybeText, Number, Object, Text};

impl Holds {
    fn schema(self) -> ObjectBuilder {
        let one = match self {
            Text => Type::String,
            Number => Type::Integer,
            Flag => Type::Boolean,
            List => Type::Array,
            Object => Type::Object,
            MaybeText => return Self::or_null(Type::String),
            MaybeObject => return Self::or_null(Type::Object),
        };
        ObjectBuilder::new().schema_type(one)
    }

    fn or_null(one: Type) -> ObjectBuilder {
        ObjectBuilder::new().schema_type(SchemaType::Array(vec![one, Type::Null]))
    }
}

/// The form of a view, with members that are always there.
fn form(name: &str, description: &str, members: &[(&str, Holds)]) -> RefOr<Schema> {
    let schema = Text.schema().enum_values(Some([name])).build();
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .property("schema", schema)
        .required("schema");
    let object = members.iter().fold(object, |object, (member, holds)| {
        object
            .property(*member, holds.schema().build())
            .required(*member)
    });
    object.build().into()
}

/// Describes views, each with its members: those of another view first, where one is named.
macro_rules! describe {
    ($($(#[doc = $doc:literal])+ $name:ident $(: $base:ident)? = $view:ty {
        $($member:ident: $holds:expr),* $(,)?
    })*) => {$(
        $(#[doc = $doc])+
        pub(super) struct $name;

        impl $name {
            const MEMBERS: &[(&str, Holds)] = &[$((stringify!($member), $holds)),*];
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let members = [$($base::MEMBERS,)? Self::MEMBERS].concat();
                form(<$view as View>::SCHEMA, concat!($($doc),+).trim(), &members)
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                concat!(stringify!($name), "View").into()
            }
        }
    )*};
}

describe! {
    /// The state at one point of the history, in numbers.
    Ledger = StateView {
        ledger: Text, name: Text, entries: Number, head: Text, at: Text, state_hash: Text,
        signatures_checked: Flag, nodes: List, total_weight: Number, authorizations: List,
        predictions: Object, open_proposals: Number, frozen: Flag, freezes: List,
    }
    /// Proposals, in the order in which they were opened.
    Proposals = ProposalList { proposals: List }
    /// One proposal with its count and ballots.
    Proposal = ProposalView {
        proposal_id: Text, kind: Text, subject: Text, title: Text, status: Text, proposer: Text,
        approve_weight: Number, reject_weight: Number, abstain_weight: Number,
        byzantine_weight: Number, total_weight: Number, opened_at: Text, deadline: Text,
        proposal_hash: Text, seq: Number, action: Object, description: Text, parameters: Object,
        rules: List, uncast_weight: Number, executable_from: MaybeText,
        executable_until: MaybeText, ended_at: MaybeText, tainted: Flag, ballots: List,
    }
    /// One proposal with its count and ballots, how far the count is from each condition, and its life.
    Outlook: Proposal = ProposalOutlook { conditions: List, outlook: MaybeObject, life: List }
    /// Predictions of each model, and the last that were made outside any grant.
    Models = PredictionsView {
        entries: Number, models: List, others: Object, outside: List, looked_from: Number,
    }
    /// The nodes, in the order in which they joined.
    Nodes = NodeList { nodes: List, total_weight: Number }
    /// One node.
    Node = NodeView {
        did: Text, name: Text, weight: Number, status: Text, algorithm: Text, key: Object,
        added_at_seq: Number, evidence: List, contradicting_checkpoints: List,
        contradicting_consensus: List,
    }
    /// All evidence, in the order in which it was recorded.
    EvidenceList = evidence::EvidenceList { evidence: List }
    /// Two ballots of one node on one proposal that contradict each other.
    Ballots = BallotsView {
        seq: Number, at: Text, node: Text, name: Text, kind: Text, proposal_id: Text,
        suspended: Flag, first: Object, second: Object,
    }
    /// Two checkpoints of one node that contradict each other.
    Checkpoints = CheckpointsView {
        seq: Number, at: Text, node: Text, name: Text, kind: Text, suspended: Flag,
        checkpoints: Object,
    }
    /// Two messages of one node in consensus that contradict each other.
    Consensus = ConsensusView {
        seq: Number, at: Text, node: Text, name: Text, kind: Text, suspended: Flag,
        consensus: Object,
    }
    /// The grants, in the order in which they were given.
    Authorizations = AuthorizationList { at: Text, authorizations: List }
    /// Whether a subject may act.
    Check = CheckView {
        allowed: Flag, reason: Text, subject: Text, kind: Text, at: Text, as_of_seq: Number,
        obligations: Object, grants: List,
    }
    /// Whether a subject may act, and all that the answer comes from.
    Why = WhyView {
        allowed: Flag, reason: Text, subject: Text, kind: Text, at: Text, as_of_seq: Number,
        obligations: Object, freezes: List, grants: List,
    }
}

/// A whole policy, as `althing policy template` prints it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct Policy {
    /// What every kind of proposal has to reach, unless its own rules say otherwise.
    #[schema(value_type = Object)]
    default: Value,
    /// The rules of kinds.
    #[schema(value_type = Object)]
    kinds: Value,
    /// What no later policy may go below.
    #[schema(value_type = Object)]
    floors: Value,
    early_decision: bool,
    delegation_depth: u64,
    evidence_window_seconds: u64,
    max_freeze_seconds: u64,
    max_open_proposals: u64,
    /// `record` or `refuse`.
    predictions: String,
}

/// One piece of evidence: `schema` says of which kind.
pub(super) struct Evidence;

impl PartialSchema for Evidence {
    fn schema() -> RefOr<Schema> {
        let kinds = [Ballots::name(), Checkpoints::name(), Consensus::name()];
        let any = kinds.iter().fold(AnyOfBuilder::new(), |any, kind| {
            any.item(Ref::from_schema_name(kind.as_ref()))
        });
        Schema::AnyOf(any.build()).into()
    }
}

impl ToSchema for Evidence {
    fn name() -> std::borrow::Cow<'static, str> {
        "EvidenceView".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for (name, schema) in [
            (Ballots::name(), Ballots::schema()),
            (Checkpoints::name(), Checkpoints::schema()),
            (Consensus::name(), Consensus::schema()),
        ] {
            schemas.push((name.into(), schema));
        }
    }
}
