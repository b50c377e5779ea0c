//! What is said twice is recorded once.

use althing::governance::command::Command;
use althing::testing::{Assembly, Played, strategies};
use proptest::prelude::*;

/// Reports may come twice, and then they are two reports.
const fn is_report(command: &Command) -> bool {
    matches!(
        command,
        Command::RecordPrediction(_) | Command::RecordRecovery(_) | Command::RecordCheckpoint(_)
    )
}

/// Submits a command that must record nothing, whether it is refused or taken for a retry.
fn records_nothing(assembly: &mut Assembly, command: &Command) {
    let bytes = assembly.bytes().len();
    if let Ok(recorded) = assembly.submit(command) {
        assert_eq!(recorded, [], "{command:?}");
    }
    assert_eq!(assembly.bytes().len(), bytes, "{command:?}");
}

proptest! {
    #![proptest_config(crate::config(40))]

    /// At once, as a client does that has lost the answer, and at any later time.
    #[test]
    fn what_was_recorded_is_never_recorded_again(history in strategies::histories(16)) {
        let mut played = Played {
            assembly: Assembly::under(history.policy.clone(), &history.weights),
            refusals: Vec::new(),
        };
        let mut recorded = Vec::new();
        for step in &history.steps {
            played.take_by(step, |assembly, command| {
                let events = assembly.submit(&command);
                if is_report(&command) {
                    return;
                }
                records_nothing(assembly, &command);
                if events.is_ok_and(|events| !events.is_empty()) {
                    recorded.push(command);
                }
            });
        }
        for command in &recorded {
            records_nothing(&mut played.assembly, command);
        }
        // Nor has anything changed that is not recorded.
        let replayed = played.assembly.replay();
        prop_assert_eq!(replayed.state.hash(), played.assembly.state().hash());
    }
}

/// The property above is not about nothing.
#[test]
fn reports_are_recorded_as_often_as_they_come() {
    let mut assembly = Assembly::of(&[1]);
    for _ in 0..2 {
        assert_eq!(assembly.predict("triage").len(), 1);
    }
}
