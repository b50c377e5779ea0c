//! What is asked most often allocates nothing. A binary of its own, because it counts.

#![allow(
    unsafe_code,
    reason = "an allocator that counts can't be written otherwise"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use althing::governance::ballot::Decision::Approve;
use althing::governance::kind::AuthorizationKind;
use althing::governance::scope::CheckContext;
use althing::testing::{Assembly, actions};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations_of<T>(action: impl FnOnce() -> T) -> (u64, T) {
    let before = ALLOCATIONS.with(Cell::get);
    let result = action();
    (ALLOCATIONS.with(Cell::get) - before, result)
}

#[test]
fn a_check_allocates_nothing() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    for _ in 0..3 {
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        assembly.vote(0, proposal, Approve);
        assembly.vote(1, proposal, Approve);
    }
    let grants = assembly.state().authorizations();
    let at = assembly.state().clock();
    let mut context = CheckContext::default();
    context
        .set("environment", "prod")
        .expect("a key and a value");
    let granted = grants
        .iter()
        .next()
        .expect("a grant")
        .1
        .terms()
        .subject
        .clone();
    let other = "did:example:other".parse().expect("a subject");
    for (subject, is_allowed, count) in [(&granted, true, 3), (&other, false, 0)] {
        let (allocations, found) = allocations_of(|| {
            let judged = grants.judge(AuthorizationKind::Model, subject, &context, at);
            let obligations = judged.obligations().map(|(_, limit)| limit).sum::<u64>();
            (judged.is_allowed(), judged.grants().count(), obligations)
        });
        assert_eq!(found, (is_allowed, count, 0));
        assert_eq!(allocations, 0);
    }
    // The counter counts.
    let (allocations, _) =
        allocations_of(|| grants.check(AuthorizationKind::Model, &granted, &context, at));
    assert!(allocations > 0);
}
