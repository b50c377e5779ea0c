//! Signed notes, checkpoints and requests to sign them.

use althing::chain::checkpoint::Checkpoint;
use althing::chain::note::SignedNote;
use althing::chain::signing_request::SigningRequest;

use crate::oracle::is_hash;

/// What is read is written as the same bytes.
pub fn run(bytes: &[u8]) -> bool {
    let note = SignedNote::parse(bytes);
    if let Ok(note) = &note {
        assert_eq!(note.to_string().as_bytes(), bytes, "the note");
        assert!(note.text().ends_with('\n'));
    }
    let checkpoint = Checkpoint::parse(bytes);
    if let Ok(checkpoint) = &checkpoint {
        assert_eq!(Some(checkpoint.note()), note.as_ref().ok());
        assert_eq!(checkpoint.to_string().as_bytes(), bytes, "the checkpoint");
        says(checkpoint);
    }
    let Ok(request) = SigningRequest::parse(bytes) else {
        assert!(
            checkpoint.is_err(),
            "a checkpoint is a request without a proof"
        );
        return note.is_ok();
    };
    says(&request.checkpoint);
    if bytes.starts_with(b"old ") {
        assert_eq!(request.to_string().as_bytes(), bytes, "the request");
    } else {
        assert_eq!(Some(&request.checkpoint), checkpoint.as_ref().ok());
        assert!(request.consistency.is_none());
    }
    if let Some(proof) = &request.consistency {
        assert_eq!(proof.to(), request.checkpoint.head().tree.size);
    }
    true
}

/// The three lines are what was understood, read a second time with nothing but text.
fn says(checkpoint: &Checkpoint) {
    let head = checkpoint.head();
    let lines: Vec<&str> = checkpoint.note().text().split('\n').collect();
    assert_eq!(lines.len(), 4, "three lines, each with its line feed");
    let parts: Vec<&str> = lines[0].split('/').collect();
    assert_eq!(parts[..2], ["althing", "v1"]);
    assert!(parts.len() == 4 && is_hash(parts[2]) && is_hash(parts[3]));
    assert_eq!(parts[2], head.origin.ledger.to_string());
    assert_eq!(lines[1], head.tree.size.to_string());
    assert!(head.tree.size > 0 && head.tree.size < 1 << 53);
    assert_eq!(lines[2].len(), 44, "32 bytes in base64");
}
