//! Where things are: as anchors of one file, or as paths of a server.

use crate::governance::id::{GrantId, NodeId, ProposalId};

/// How a page leads to another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Everything is one file.
    Anchors,
    /// Every page has a path of its own.
    Paths,
}

/// The pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The state of the ledger.
    Overview,
    /// All entries.
    Timeline,
    /// All proposals.
    Proposals,
    /// The registry.
    Nodes,
    /// Grants, and why they hold.
    Authorizations,
    /// Predictions of each model.
    Predictions,
    /// Who contradicted itself.
    Evidence,
    /// Checking all of it in the browser.
    Verify,
}

impl Place {
    /// All of them, in the order of a document.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Proposals,
        Self::Authorizations,
        Self::Predictions,
        Self::Evidence,
        Self::Nodes,
        Self::Timeline,
        Self::Verify,
    ];

    /// The heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Timeline => "Timeline",
            Self::Proposals => "Proposals",
            Self::Nodes => "Registry",
            Self::Authorizations => "Authorizations",
            Self::Predictions => "Predictions",
            Self::Evidence => "Evidence",
            Self::Verify => "Verify",
        }
    }

    /// The id of its section, and its path without the slash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Timeline => "timeline",
            Self::Proposals => "proposals",
            Self::Nodes => "nodes",
            Self::Authorizations => "authorizations",
            Self::Predictions => "predictions",
            Self::Evidence => "evidence",
            Self::Verify => "verify",
        }
    }
}

impl Links {
    /// Leads to a page.
    #[must_use]
    pub fn place(self, place: Place) -> String {
        match (self, place) {
            (Self::Anchors, place) => format!("#{}", place.name()),
            (Self::Paths, Place::Overview) => "/".to_owned(),
            (Self::Paths, place) => format!("/{}", place.name()),
        }
    }

    /// Leads to a proposal.
    #[must_use]
    pub fn proposal(self, proposal: ProposalId) -> String {
        match self {
            Self::Anchors => format!("#{}", proposal_anchor(proposal)),
            Self::Paths => format!("/proposals/{proposal}"),
        }
    }

    /// Leads to an entry that is no prediction, or to a run of predictions by its first entry. A served
    /// timeline begins with it.
    #[must_use]
    pub fn entry(self, seq: u64) -> String {
        match self {
            Self::Anchors => format!("#{}", entry_anchor(seq)),
            Self::Paths => format!("/timeline?before={}", seq.saturating_add(1)),
        }
    }

    /// Leads to a node.
    #[must_use]
    pub fn node(self, node: NodeId) -> String {
        self.within(Place::Nodes, &node_anchor(node))
    }

    /// Leads to a grant.
    #[must_use]
    pub fn grant(self, grant: GrantId) -> String {
        match self {
            Self::Anchors => format!("#{}", grant_anchor(grant)),
            Self::Paths => format!("/authorizations?grant={grant}"),
        }
    }

    /// Leads to the evidence that an entry holds. A served page begins with it.
    #[must_use]
    pub fn evidence(self, seq: u64) -> String {
        match self {
            Self::Anchors => format!("#{}", evidence_anchor(seq)),
            Self::Paths => format!("/evidence?before={}", seq.saturating_add(1)),
        }
    }

    fn within(self, place: Place, anchor: &str) -> String {
        match self {
            Self::Anchors => format!("#{anchor}"),
            Self::Paths => format!("{}#{anchor}", self.place(place)),
        }
    }
}

/// A path with parameters; those without a value are left out.
#[must_use]
pub fn query<N: AsRef<str>, V: AsRef<str>>(
    path: &str,
    parameters: impl IntoIterator<Item = (N, V)>,
) -> String {
    let mut out = path.to_owned();
    let mut separator = '?';
    for (name, value) in parameters {
        if value.as_ref().is_empty() {
            continue;
        }
        out.push(separator);
        out.push_str(name.as_ref());
        out.push('=');
        encode(value.as_ref(), &mut out);
        separator = '&';
    }
    out
}

/// Percent-encodes whatever is not plain in a query.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// The id of a proposal's element.
#[must_use]
pub fn proposal_anchor(proposal: ProposalId) -> String {
    format!("proposal-{proposal}")
}

/// The id of the element of an entry, or of a run of predictions by its first entry.
#[must_use]
pub fn entry_anchor(seq: u64) -> String {
    format!("entry-{seq}")
}

/// The id of a node's element.
#[must_use]
pub fn node_anchor(node: NodeId) -> String {
    let did = node.to_string();
    format!("node-{}", did.rsplit(':').next().unwrap_or_default())
}

/// The id of a grant's element.
#[must_use]
pub fn grant_anchor(grant: GrantId) -> String {
    format!("grant-{grant}")
}

/// The id of the element of the evidence that an entry holds.
#[must_use]
pub fn evidence_anchor(seq: u64) -> String {
    format!("evidence-{seq}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stay_what_they_are() {
        let none: [(&str, &str); 0] = [];
        assert_eq!(query("/timeline", none), "/timeline");
        let given = [
            ("actor", "a&b=c#d /\"ä"),
            ("proposal", ""),
            ("since", "2026-05-04T09:30:00+02:00"),
        ];
        assert_eq!(
            query("/timeline", given),
            "/timeline?actor=a%26b%3Dc%23d%20%2F%22%C3%A4&since=2026-05-04T09:30:00%2B02:00"
        );
    }
}
