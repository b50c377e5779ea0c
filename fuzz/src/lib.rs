//! What is fuzzed, each target a plain function of bytes that panics where it finds a fault.
//!
//! `fuzz_targets/` hands the functions to libFuzzer. The tests below run each of them over its corpus
//! and over damaged copies of it, with a stable compiler. `README.md` says how to run either, and
//! how to add a target.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a fuzzer is a shell around files and arguments"
)]

pub mod canonical;
pub mod checkpoint;
pub mod event;
pub mod ledger;
pub mod line;
mod oracle;
pub mod policy;
pub mod proof;
pub mod receipt;
pub mod recovery;
pub mod replay;
pub mod snapshot;
pub mod statement;
pub mod text;

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod smoke;

/// What is fuzzed: panics on a fault, and says whether the bytes were accepted, so that the tests see
/// that not everything was refused at the door.
pub type Target = fn(&[u8]) -> bool;

/// Every target: its name, which is also its corpus' and its program's, and what it runs.
pub const TARGETS: &[(&str, Target)] = &[
    ("canonical", canonical::run),
    ("checkpoint", checkpoint::run),
    ("event", event::run),
    ("ledger", ledger::run),
    ("line", line::run),
    ("policy", policy::run),
    ("proof", proof::run),
    ("receipt", receipt::run),
    ("recovery", recovery::run),
    ("replay", replay::run),
    ("snapshot", snapshot::run),
    ("statement", statement::run),
    ("text", text::run),
];

/// Makes a program of a target: libFuzzer's under `cargo fuzz`, otherwise one that runs the target
/// over the files that it is given, to see a finding again with any compiler.
#[macro_export]
macro_rules! fuzz_target {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            $crate::$target::run(bytes);
        });

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::run_files($crate::$target::run)
        }
    };
}

/// Runs a target over the files that the arguments name.
///
/// # Errors
/// Where a file can't be read.
pub fn run_files(target: Target) -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        let accepted = target(&std::fs::read(&path)?);
        let outcome = if accepted { "accepted" } else { "refused" };
        println!("{}: {outcome}", path.display());
    }
    Ok(())
}
