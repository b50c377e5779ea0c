//! What the rules cost in process, with nothing around them: `cargo bench --bench in_process`.
//!
//! `benches/run.py` reads the medians that it leaves.

use std::hint::black_box;

use althing::governance::digest::Digest;
use althing::governance::id::Subject;
use althing::governance::key::{Algorithm, SignatureVerifier};
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::Policy;
use althing::governance::scope::CheckContext;
use althing::identity::{MlDsaVerifier, SigningKey};
use althing::testing::{Assembly, actions};
use criterion::{Criterion, criterion_group, criterion_main};

/// Is the model allowed to run, in a state with a hundred grants?
fn check(criterion: &mut Criterion) {
    let mut assembly = Assembly::under(Policy::uniform(), &[1, 1, 1]);
    for number in 0..100 {
        assembly.pass(0..3, actions::authorize_model(&format!("model-{number}")));
    }
    let (allowed, unknown) = (actions::model("model-50"), actions::model("nobody"));
    let (state, now) = (assembly.state(), assembly.now());
    let context = CheckContext::default();
    let ask = |subject: &Subject| {
        let kind = AuthorizationKind::Model;
        let judged = state.authorizations().judge(kind, subject, &context, now);
        judged.is_allowed()
    };
    assert!(ask(&allowed) && !ask(&unknown));
    criterion.bench_function("check", |bench| bench.iter(|| ask(black_box(&allowed))));
    criterion.bench_function("check_unknown", |bench| {
        bench.iter(|| ask(black_box(&unknown)));
    });
}

fn raw_limits(criterion: &mut Criterion) {
    let line = vec![b'x'; 600];
    criterion.bench_function("sha256_600_bytes", |bench| {
        bench.iter(|| Digest::of(black_box(&line)));
    });
    let key = SigningKey::generate(Algorithm::MlDsa65).expect("a key");
    let signature = key.sign_message(&line).expect("a signature");
    criterion.bench_function("ml_dsa_65_sign", |bench| {
        bench.iter(|| key.sign_message(black_box(&line)));
    });
    criterion.bench_function("ml_dsa_65_verify", |bench| {
        bench.iter(|| MlDsaVerifier.verify(key.public_key(), black_box(&line), &signature));
    });
}

criterion_group!(benches, check, raw_limits);
criterion_main!(benches);
