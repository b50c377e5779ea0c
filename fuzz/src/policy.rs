//! Policies: the JSON, and a few weights for those that can stand.
//!
//! The input is a policy's JSON, up to the first line feed; each byte behind it is a weight.

use althing::governance::kind::ProposalKind;
use althing::governance::policy::Policy;
use althing::governance::policy_lint::lint;
use althing::governance::weight::Weight;

/// A policy is written as it is read, and one that can stand asks for nothing impossible.
pub fn run(bytes: &[u8]) -> bool {
    let (json, weights) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    let Ok(policy) = serde_json::from_slice::<Policy>(json) else {
        return false;
    };
    let written = serde_json::to_string(&policy).expect("it was read");
    let again: Policy = serde_json::from_str(&written).expect("what was written is read");
    assert_eq!(again, policy);
    assert_eq!(serde_json::to_string(&again).ok(), Some(written));
    assert_eq!(
        policy.check_change_from(&policy).is_ok(),
        policy.validate().is_ok()
    );
    if policy.validate().is_err() {
        return false;
    }
    for kind in ProposalKind::ALL {
        let rule = policy.rule(kind);
        for share in [rule.approval, rule.quorum].into_iter().flatten() {
            assert!(share.numerator() <= share.denominator(), "{kind}: {share}");
        }
        // More than the share is asked for here, so that all of the weight must be more.
        if let Some(share) = rule.absolute {
            assert!(share.numerator() < share.denominator(), "{kind}: {share}");
        }
    }
    let weights: Vec<Weight> = (weights.iter().take(6))
        .filter_map(|weight| Weight::new(u64::from(*weight)))
        .collect();
    let _ = lint(&policy, &weights);
    true
}
