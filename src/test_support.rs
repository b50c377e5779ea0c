//! What the unit tests share.

use proptest::test_runner::{Config, FileFailurePersistence};

/// A proptest configuration whose regressions land in `proptest-regressions/` at the top.
pub(crate) fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::SourceParallel(
            "proptest-regressions",
        ))),
        ..Config::default()
    }
}
