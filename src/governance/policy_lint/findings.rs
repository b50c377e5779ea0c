//! What somebody should know about a policy.

use super::electorate::Electorate;
use super::{Behaviour, Coalition, Code, Example, Finding, KindLint, Possibility, Severity};
use crate::governance::kind::ProposalKind;
use crate::governance::policy::PolicyError;

/// What somebody should know: the same of several kinds is said once.
pub(super) fn findings(
    invalid: Option<PolicyError>,
    kinds: &[KindLint],
    electorate: &Electorate,
) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    found.extend(invalid.map(|error| Finding {
        code: Code::InvalidPolicy,
        severity: Severity::Error,
        kinds: Vec::new(),
        message: format!("the policy would be refused: {error}"),
    }));
    for kind in kinds {
        for (code, severity, message) in findings_of(kind, electorate) {
            let same = |one: &&mut Finding| {
                one.code == code && one.severity == severity && one.message == message
            };
            match found.iter_mut().find(same) {
                Some(finding) => finding.kinds.push(kind.kind),
                None => found.push(Finding {
                    code,
                    severity,
                    kinds: vec![kind.kind],
                    message,
                }),
            }
        }
    }
    found.sort_by_key(|finding| (finding.severity, finding.code));
    found
}

type Found = (Code, Severity, String);

fn findings_of(kind: &KindLint, electorate: &Electorate) -> Vec<Found> {
    let mut found = Vec::new();
    if !kind.satisfiable {
        let message = "it does not pass even if everybody approves".to_owned();
        found.push((Code::Unsatisfiable, Severity::Error, message));
        return found;
    }
    found.extend(contradictory_passes(kind));
    found.extend(minority_passes(kind, electorate));
    found.extend(single_node_passes(kind));
    found.extend(single_node_blocks(kind, electorate));
    found.extend(no_quorum(kind, electorate));
    if kind.kind == ProposalKind::EmergencyFreeze {
        found.extend(freeze(kind, electorate));
    }
    found
}

/// Decisions of these kinds only take away, so that two of them hardly contradict each other, and
/// a minority that can take them may well be meant.
const fn is_brake(kind: ProposalKind) -> bool {
    matches!(
        kind,
        ProposalKind::RevokeModel
            | ProposalKind::RevokeAgent
            | ProposalKind::RevokeDelegation
            | ProposalKind::EmergencyFreeze
    )
}

const fn unless_brake(kind: ProposalKind) -> Severity {
    if is_brake(kind) {
        Severity::Info
    } else {
        Severity::Warning
    }
}

fn contradictory_passes(kind: &KindLint) -> Option<Found> {
    let message = match (&kind.contradictory.possible, &kind.contradictory.example) {
        (Possibility::No, _) => return None,
        (_, Some(Example { one, other })) => format!(
            "two proposals that contradict each other can both pass without a common approver: \
             weight {} passes one and weight {} the other, although up to {} and {} reject them, \
             if the rest abstains",
            one.weight, other.weight, one.withstands_rejecting, other.withstands_rejecting
        ),
        (_, None) => "two proposals that contradict each other can both pass by weight; the \
                      electorate is too large to say whether its nodes divide so evenly"
            .to_owned(),
    };
    Some((Code::ContradictoryPasses, unless_brake(kind.kind), message))
}

fn minority_passes(kind: &KindLint, electorate: &Electorate) -> Option<Found> {
    let weight = kind.passes_with_abstentions?.weight;
    let message = format!(
        "less than half can pass it: weight {weight} of {}, if all others abstain",
        electorate.total
    );
    let is_minority = weight < electorate.total.saturating_sub(weight);
    is_minority.then_some((Code::MinorityPasses, unless_brake(kind.kind), message))
}

fn single_node_passes(kind: &KindLint) -> Option<Found> {
    let is_one =
        |coalition: Option<Coalition>| coalition.is_some_and(|coalition| coalition.nodes == 1);
    let (severity, message) = if is_one(kind.passes_against_all) {
        (
            Severity::Warning,
            "one node passes it, whatever all others do",
        )
    } else if is_one(kind.passes_alone) {
        (
            unless_brake(kind.kind),
            "one node passes it while all others stay away",
        )
    } else if is_one(kind.passes_with_abstentions) {
        (Severity::Info, "one node passes it if all others abstain")
    } else {
        return None;
    };
    Some((Code::SingleNodePasses, severity, message.to_owned()))
}

fn single_node_blocks(kind: &KindLint, electorate: &Electorate) -> Option<Found> {
    let blocking = &kind.blocked_by;
    let message = match blocking.by {
        Behaviour::Rejecting => "one node stops it by rejecting it, though all others approve",
        Behaviour::StayingAway => "one node stops it by staying away, though all others approve",
        Behaviour::Either => {
            "one node stops it by rejecting it or staying away, though all others approve"
        }
    };
    // A node alone is everybody.
    let stops = blocking.coalition.nodes == 1 && electorate.weights.len() > 1;
    stops.then_some((
        Code::SingleNodeBlocks,
        Severity::Warning,
        message.to_owned(),
    ))
}

fn no_quorum(kind: &KindLint, electorate: &Electorate) -> Option<Found> {
    let quorum = kind.conditions.quorum;
    let alone = kind.passes_alone?.weight;
    let message = format!(
        "no quorum: weight {alone} of {} passes it while all others stay away",
        electorate.total
    );
    let has_none = quorum.is_none_or(|quorum| quorum.numerator() == 0);
    let is_minority = alone <= electorate.total.saturating_sub(alone);
    let severity = if is_minority {
        unless_brake(kind.kind)
    } else {
        Severity::Info
    };
    has_none.then_some((Code::NoQuorum, severity, message))
}

/// The brake should take one honest node while less than a third is Byzantine, and not more.
fn freeze(kind: &KindLint, electorate: &Electorate) -> Vec<Found> {
    let total = electorate.total;
    let a_third = total / 3;
    let mut found = Vec::new();
    if let Some(with) = kind.passes_with_abstentions
        && with.needed_weight <= a_third
    {
        let message = format!(
            "a third of all weight or less can freeze, {} of {total}, if all others abstain: no \
             honest node has to stand behind a freeze",
            with.needed_weight
        );
        found.push((Code::FreezeWithinThird, Severity::Warning, message));
    }
    if let Some(against) = kind.passes_against_all
        && against.needed_weight > a_third + 1
    {
        let message = format!(
            "to freeze against all others takes weight {} of {total}, where more than a third \
             would do for a brake",
            against.needed_weight
        );
        found.push((Code::FreezeBeyondThird, Severity::Info, message));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::policy::Policy;
    use crate::governance::policy_lint::lint;
    use crate::governance::weight::Weight;

    fn findings(weights: &[Weight]) -> Vec<Finding> {
        let mut policy = Policy::uniform();
        policy.default.quorum = None;
        lint(&policy, weights).unwrap().findings
    }

    #[test]
    fn half_is_no_minority_that_decides_and_no_majority_that_is_present() {
        let found = findings(&[Weight::ONE; 2]);
        assert!(found.iter().all(|it| it.code != Code::MinorityPasses));
        for (kind, severity) in [
            (ProposalKind::AuthorizeModel, Severity::Warning),
            (ProposalKind::RevokeModel, Severity::Info),
        ] {
            let of_kind = |it: &&Finding| it.code == Code::NoQuorum && it.kinds.contains(&kind);
            let severities: Vec<_> = found.iter().filter(of_kind).map(|it| it.severity).collect();
            assert_eq!(severities, [severity], "{kind}");
        }
    }

    #[test]
    fn one_finding_names_all_its_kinds() {
        let found = findings(&[Weight::ONE; 2]);
        for (place, one) in found.iter().enumerate() {
            let same = |other: &Finding| {
                (other.code, other.severity, &other.message)
                    == (one.code, one.severity, &one.message)
            };
            assert!(!found[..place].iter().any(same), "{one:?}");
        }
    }

    #[test]
    fn a_node_alone_blocks_nobody_else() {
        let found = findings(&[Weight::ONE]);
        assert!(found.iter().all(|it| it.code != Code::SingleNodeBlocks));
    }
}
