//! Events: the operation, a line feed, the data.

use althing::governance::command::Command;
use althing::governance::event::{Event, OPERATIONS};

use crate::oracle;

/// An event that is read is written as the same bytes, and read from them as the same event.
pub fn run(bytes: &[u8]) -> bool {
    let Some((operation, data)) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.split_once('\n'))
    else {
        return false;
    };
    let Ok(event) = Event::decode(operation, data) else {
        return false;
    };
    assert!(OPERATIONS.contains(&operation));
    assert_eq!(event.operation(), operation);
    assert!(match operation {
        "prediction_recorded" => oracle::is_canonical_but_for_numbers(data),
        _ => oracle::is_canonical(data),
    });
    let written = event.data().expect("what was read can be written");
    assert_eq!(written.get(), data);
    assert_eq!(Event::decode(operation, written.get()).as_ref(), Ok(&event));
    // A cause has a command, and finding it never fails; what it is worth the rules decide.
    let _ = Command::that_causes(&event);
    true
}
