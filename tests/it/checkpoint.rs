//! Checkpoints: their bytes, who stands behind them, and what is refused.

use althing::chain::checkpoint::{Checkpoint, CheckpointError};
use althing::chain::merkle::{ConsistencyProof, MAX_SIZE, ProofError, TreeRoot};
use althing::chain::note::{
    MAX_NAME_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNATURES, MAX_TEXT_BYTES, NoteError, NoteSignature,
    SignedNote,
};
use althing::chain::signing_request::SigningRequest;
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::id::{LedgerId, NodeId};
use althing::governance::key::{Algorithm, PublicKey, Signature};
use althing::governance::proposal::Action;
use althing::governance::tree_head::{Cosignature, Origin, TreeHead, key_id};
use althing::identity::{MlDsaVerifier, SigningKey};
use althing::testing::{Assembly, StandInVerifier, actions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;

/// The example of C2SP signed-note.
const EXAMPLE: &str = "This is an example message.\n\n— example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

/// The example of C2SP tlog-cosignature: two lines, by a log and by a witness.
const COSIGNED: &str = "example.com/behind-the-sofa\n20852163\n\
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
    — example.com/behind-the-sofa \
    Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
    — witness.example.com/w1 \
    jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

#[test]
fn the_examples_of_the_standard_are_read_and_written_again() {
    let note = SignedNote::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), EXAMPLE);
    let [signature] = note.signatures() else {
        panic!("one signature");
    };
    assert_eq!(signature.name, "example.com/foo");
    // example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
    assert_eq!(signature.key_id, [0x53, 0x0d, 0x90, 0x3a]);
    let key = BASE64
        .decode("AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
        .unwrap();
    let hashed = [b"example.com/foo\n".as_slice(), &key].concat();
    assert_eq!(Digest::of(&hashed).as_bytes()[..4], signature.key_id);
    // The text is exactly what is signed.
    aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, &key[1..])
        .verify(note.text().as_bytes(), &signature.signature)
        .unwrap();

    let note = SignedNote::parse(COSIGNED.as_bytes()).unwrap();
    assert_eq!(note.to_string(), COSIGNED);
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(note.signatures()[1].signature.len(), 8 + 64);
    // Another log's origin is no ledger's.
    let error = Checkpoint::parse(COSIGNED.as_bytes()).unwrap_err();
    assert!(matches!(error, CheckpointError::Line { line: 1, .. }));
}

#[test]
fn the_text_ends_at_the_last_blank_line() {
    let note = "a\n\nb\n\n— k AAAAAAA=\n";
    let read = SignedNote::parse(note.as_bytes()).unwrap();
    assert_eq!(read.text(), "a\n\nb\n");
    assert_eq!(read.to_string(), note);
    let unsigned = SignedNote::parse(b"a\n\n").unwrap();
    assert_eq!((unsigned.text(), unsigned.signatures().len()), ("a\n", 0));
    assert_eq!(unsigned.to_string(), "a\n\n");
}

#[test]
fn only_the_one_form_of_a_note_is_read() {
    let line = "— k AAAAAAA=\n";
    let form = "Form";
    let sign = "SignatureLine";
    for (note, expected) in [
        (String::new(), form),
        ("\n".to_owned(), form),
        ("\n\n".to_owned(), form),
        ("a".to_owned(), form),
        ("a\n".to_owned(), form),
        (format!("a\n{line}"), form),
        (format!("\n{line}"), form),
        (format!("\n\n{line}"), form),
        (format!("a\n\n\n{line}"), form),
        (format!("a\n\n{}", &line[..line.len() - 1]), form),
        (format!("a\r\n\r\n{line}"), "ControlCharacter"),
        (format!("a\n\n{}\r\n", line.trim_end()), "ControlCharacter"),
        (format!("a\tb\n\n{line}"), "ControlCharacter"),
        (format!("a\0\n\n{line}"), "ControlCharacter"),
        (format!("a\n\n{line}x\n"), sign),
        (format!("a\n\n- {}", &line["— ".len()..]), sign),
        (format!("a\n\n{}", line.replacen(' ', "", 1)), sign),
        ("a\n\n—  AAAAAAA=\n".to_owned(), sign),
        ("a\n\n— k\n".to_owned(), sign),
        ("a\n\n— k \n".to_owned(), sign),
        ("a\n\n— k  AAAAAAA=\n".to_owned(), sign),
        ("a\n\n— k AAAAAAA= \n".to_owned(), sign),
        ("a\n\n— k+ AAAAAAA=\n".to_owned(), sign),
        ("a\n\n— k\u{2003}k AAAAAAA=\n".to_owned(), sign),
        ("a\n\n— k\u{85} AAAAAAA=\n".to_owned(), sign),
        // No padding, trailing bits, the other alphabet, a key id alone, less than that.
        ("a\n\n— k AAAAAAA\n".to_owned(), sign),
        ("a\n\n— k AAAAAAB=\n".to_owned(), sign),
        ("a\n\n— k AAAAAA_=\n".to_owned(), sign),
        ("a\n\n— k AAAAAA==\n".to_owned(), sign),
        ("a\n\n— k AAAA\n".to_owned(), sign),
        (format!("a\n\n{line}{line}"), "Duplicate"),
        (format!("a\n\n{line}— k AAAAAAE=\n"), "Duplicate"),
        (format!("a\n\n— {} AAAAAAA=\n", "k".repeat(256)), sign),
        (format!("a\n\n— k {}\n", "A".repeat(24_000)), sign),
        (
            format!("{}\n\n{line}", "a".repeat(MAX_TEXT_BYTES)),
            "TooLong",
        ),
    ] {
        let error = SignedNote::parse(note.as_bytes()).expect_err(&note);
        assert!(
            format!("{error:?}").starts_with(expected),
            "{note:?}: {error:?}"
        );
    }
    assert_eq!(
        SignedNote::parse(b"a\xff\n\n"),
        Err(NoteError::NotUtf8 { offset: 1 })
    );
    for text in ["", "a", "\n", "a\n\n", "a\rb\n"] {
        assert!(SignedNote::new(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_checkpoint_is_of_one_entry_to_as_many_as_json_carries() {
    for (size, is_one) in [
        (0, false),
        (1, true),
        (MAX_SIZE, true),
        (MAX_SIZE + 1, false),
        (u64::MAX, false),
    ] {
        let unsigned = Checkpoint::unsigned(head(size));
        assert_eq!(unsigned.is_ok(), is_one, "{size}");
        let text = Checkpoint::unsigned(head(7)).unwrap().to_string();
        let text = text.replacen("\n7\n", &format!("\n{size}\n"), 1);
        assert_eq!(Checkpoint::parse(text.as_bytes()).is_ok(), is_one, "{size}");
    }
}

#[test]
fn an_error_names_the_signature_line() {
    let (one, two) = ("— k AAAAAAA=\n", "— l AAAAAAA=\n");
    for (lines, expected) in [
        ([one, "x\n", two], "signature line 2: expected an em dash"),
        ([one, two, "x\n"], "signature line 3: expected an em dash"),
        ([one, one, two], "signature line 2: the key k has signed"),
        ([one, two, one], "signature line 3: the key k has signed"),
    ] {
        let note = format!("a\n\n{}", lines.concat());
        let error = SignedNote::parse(note.as_bytes()).expect_err(&note);
        assert!(error.to_string().starts_with(expected), "{note:?}: {error}");
    }
}

#[test]
fn a_text_and_a_name_may_be_as_long_as_is_said() {
    for (text, name, is_one) in [
        (MAX_TEXT_BYTES, MAX_NAME_BYTES, true),
        (MAX_TEXT_BYTES + 1, 1, false),
        (2, MAX_NAME_BYTES + 1, false),
    ] {
        let (text, name) = ("a".repeat(text - 1), "k".repeat(name));
        let note = format!("{text}\n\n— {name} AAAAAAA=\n");
        let read = SignedNote::parse(note.as_bytes());
        assert_eq!(read.is_ok(), is_one, "{} {}", text.len(), name.len());
    }
}

#[test]
fn long_signatures_are_refused_before_they_are_decoded() {
    let (exact, early) = ("a signature of 1 to 16384", "a signature of at most 16384");
    for (bytes, expected) in [
        (MAX_SIGNATURE_BYTES, None),
        (MAX_SIGNATURE_BYTES + 1, Some(exact)),
        (MAX_SIGNATURE_BYTES + 4, Some(exact)),
        (MAX_SIGNATURE_BYTES + 5, Some(early)),
        (MAX_SIGNATURE_BYTES * 2, Some(early)),
    ] {
        let line = BASE64.encode(vec![0; 4 + bytes]);
        let read = SignedNote::parse(format!("a\n\n— k {line}\n").as_bytes());
        let error = read.err().map(|error| error.to_string());
        let fits = match (&error, expected) {
            (None, None) => true,
            (Some(error), Some(expected)) => error.contains(expected),
            _ => false,
        };
        assert!(fits, "{bytes}: {error:?}");
    }
}

#[test]
fn signature_lines_are_capped() {
    let lines = |count: usize| {
        (0..count).fold("a\n\n".to_owned(), |note, number| {
            note + &format!("— k{number} AAAAAAA=\n")
        })
    };
    let full = SignedNote::parse(lines(MAX_SIGNATURES).as_bytes()).unwrap();
    let mut more = full.clone();
    let signature = NoteSignature {
        name: "k".to_owned(),
        key_id: [0; 4],
        signature: vec![1],
    };
    assert_eq!(more.sign(signature), Err(NoteError::TooManySignatures));
    assert_eq!(more, full);
    let error = SignedNote::parse(lines(MAX_SIGNATURES + 1).as_bytes());
    assert_eq!(error, Err(NoteError::TooManySignatures));
}

#[test]
fn no_line_is_added_that_would_not_be_read_again() {
    let good = NoteSignature {
        name: "k".to_owned(),
        key_id: [0; 4],
        signature: vec![1],
    };
    let mut note = SignedNote::new("a\n").unwrap();
    for (name, signature) in [
        ("", vec![1]),
        ("a b", vec![1]),
        ("a+b", vec![1]),
        ("a\nb", vec![1]),
        ("k", vec![]),
    ] {
        let bad = NoteSignature {
            name: name.to_owned(),
            signature,
            ..good.clone()
        };
        assert!(note.sign(bad).is_err(), "{name:?}");
    }
    note.sign(good.clone()).unwrap();
    assert!(matches!(
        note.sign(good.clone()),
        Err(NoteError::Duplicate { line: 2, .. })
    ));
    // Of two keys with one name both may sign.
    note.sign(NoteSignature {
        key_id: [1; 4],
        ..good
    })
    .unwrap();
    assert_eq!(SignedNote::parse(note.to_string().as_bytes()), Ok(note));
}

fn head(size: u64) -> TreeHead {
    TreeHead {
        origin: Origin {
            ledger: LedgerId::of_founding("{}"),
            genesis: Digest::of(b"genesis"),
        },
        tree: TreeRoot {
            size,
            root: Digest::of(b"root"),
        },
    }
}

fn key(algorithm: Algorithm, number: u8) -> SigningKey {
    SigningKey::from_seed(algorithm, &[number; 32]).expect("a seed gives a key")
}

fn cosign(head: &TreeHead, key: &SigningKey, posix_seconds: u64) -> Cosignature {
    let signer = key.node_id();
    let message = head.message(signer, posix_seconds);
    Cosignature {
        signer,
        posix_seconds,
        signature: key.sign_message(&message).expect("a key signs"),
    }
}

#[test]
fn a_checkpoint_has_the_bytes_of_the_specification() {
    let checkpoint = Checkpoint::unsigned(head(12)).unwrap();
    let genesis = Digest::of(b"genesis");
    let ledger = Digest::of(b"{}");
    let root = BASE64.encode(Digest::of(b"root").as_bytes());
    let text = format!("althing/v1/{ledger}/{genesis}\n12\n{root}\n");
    assert_eq!(checkpoint.to_string(), format!("{text}\n"));
    for algorithm in Algorithm::ALL {
        let key = key(algorithm, 1);
        let mut signed = checkpoint.clone();
        let cosignature = cosign(&head(12), &key, 1_679_315_147);
        signed.sign(&cosignature, key.public_key()).unwrap();
        let id = key_id(key.node_id(), key.public_key());
        let time = 1_679_315_147_u64.to_be_bytes();
        let bytes = [&id[..], &time, cosignature.signature.as_bytes()].concat();
        let line = format!("— {} {}\n", key.node_id(), BASE64.encode(bytes));
        assert_eq!(signed.to_string(), format!("{text}\n{line}"));
        let read = Checkpoint::parse(signed.to_string().as_bytes()).unwrap();
        assert_eq!(read, signed);
        let found = read
            .cosignature_of(key.node_id(), key.public_key())
            .unwrap();
        assert!(head(12).is_signed_by(&found, key.public_key(), &MlDsaVerifier));
    }
}

#[test]
fn only_the_one_form_of_a_checkpoint_is_read() {
    let text = Checkpoint::unsigned(head(12)).unwrap().to_string();
    assert!(Checkpoint::parse(text.as_bytes()).is_ok());
    let root = BASE64.encode(Digest::of(b"root").as_bytes());
    for (changed, line) in [
        (text.replace("althing/v1", "althing/v2"), 1),
        (text.replace("althing", "Althing"), 1),
        (text.replace("\n12\n", "\n012\n"), 2),
        (text.replace("\n12\n", "\n+12\n"), 2),
        (text.replace("\n12\n", "\n12 \n"), 2),
        (text.replace("\n12\n", "\n0\n"), 2),
        (text.replace("\n12\n", "\n-1\n"), 2),
        (text.replace("\n12\n", "\n9007199254740992\n"), 2),
        (text.replace("\n12\n", "\n99999999999999999999\n"), 2),
        (text.replace(&root, &root[..43]), 3),
        (text.replace(&root, &BASE64.encode([1; 31])), 3),
        (text.replace(&root, &BASE64.encode([1; 33])), 3),
        (text.replace(&root, &format!("{root}\nextension")), 4),
    ] {
        assert_ne!(changed, text);
        let error = Checkpoint::parse(changed.as_bytes()).expect_err(&changed);
        assert!(
            matches!(error, CheckpointError::Line { line: found, .. } if found == line),
            "{changed}: {error:?}"
        );
        assert_eq!(error.code(), "checkpoint.malformed");
    }
    for size in [0, 1 << 53, u64::MAX] {
        assert!(Checkpoint::unsigned(head(size)).is_err(), "{size}");
    }
}

#[test]
fn a_signature_covers_every_field() {
    let key = key(Algorithm::MlDsa44, 1);
    let good = cosign(&head(12), &key, 7);
    let public: &PublicKey = key.public_key();
    let holds = |head: &TreeHead, cosignature: &Cosignature| {
        head.is_signed_by(cosignature, public, &MlDsaVerifier)
    };
    assert!(holds(&head(12), &good));
    assert!(!holds(&head(13), &good));
    let mut other = head(12);
    other.tree.root = Digest::ZERO;
    assert!(!holds(&other, &good));
    let mut other = head(12);
    other.origin.ledger = LedgerId::of_founding("[]");
    assert!(!holds(&other, &good));
    let mut other = head(12);
    other.origin.genesis = Digest::ZERO;
    assert!(!holds(&other, &good));
    let later = Cosignature {
        posix_seconds: 8,
        ..good.clone()
    };
    assert!(!holds(&head(12), &later));
    let somebody: NodeId = format!("did:pqaid:{}", Digest::ZERO).parse().unwrap();
    let foreign = Cosignature {
        signer: somebody,
        ..good.clone()
    };
    assert!(!holds(&head(12), &foreign));
    let bytes = good.signature.as_bytes();
    for position in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.to_vec();
        changed[position] ^= 1;
        let signature = Signature::new(&changed).unwrap();
        assert!(!holds(
            &head(12),
            &Cosignature {
                signature,
                ..good.clone()
            }
        ));
    }
    // A time that JSON can't carry would keep the signature out of evidence.
    let far = cosign(&head(12), &key, 1 << 53);
    assert!(!holds(&head(12), &far));
}

proptest! {
    #![proptest_config(crate::config(256))]

    #[test]
    fn whatever_is_read_as_a_note_is_written_as_the_same_bytes(
        note in "[a-b\u{2014} \n+=AQ]{0,40}",
        lines in prop::collection::vec(("[ab+ ]{0,2}", "[AQg=]{6,9}"), 0..3),
    ) {
        let lines = lines.iter().fold(String::new(), |all, (name, base64)| {
            all + &format!("— {name} {base64}\n")
        });
        for text in [note.clone(), format!("{note}\n\n{lines}"), format!("a\n\n{lines}")] {
            if let Ok(read) = SignedNote::parse(text.as_bytes()) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SignedNote::parse(&bytes);
        let text = Checkpoint::unsigned(head(12)).unwrap().to_string();
        let _ = Checkpoint::parse(&[text.as_bytes(), &bytes].concat());
    }
}

/// The head of an assembly's ledger.
fn head_of(assembly: &Assembly) -> TreeHead {
    TreeHead {
        origin: Origin {
            ledger: assembly.state().ledger(),
            genesis: assembly.state().identity().origin,
        },
        tree: assembly.replay().merkle.tree_root(),
    }
}

/// A checkpoint that these founders have signed.
fn signed_by(assembly: &Assembly, founders: &[usize]) -> Checkpoint {
    let head = head_of(assembly);
    let mut checkpoint = Checkpoint::unsigned(head).unwrap();
    for founder in founders {
        let signer = assembly.signer(*founder);
        let cosignature = Cosignature {
            signer: signer.node(),
            posix_seconds: 1,
            signature: signer.sign_message(&head.message(signer.node(), 1)),
        };
        checkpoint.sign(&cosignature, signer.key()).unwrap();
    }
    checkpoint
}

fn weights(assembly: &Assembly, checkpoint: &Checkpoint) -> (u64, u64, usize, bool) {
    let registry = assembly.state().registry();
    let found = checkpoint.endorsement(registry, &StandInVerifier).unwrap();
    let (signed, active) = (found.signed_weight.get(), found.active_weight.get());
    (signed, active, found.unknown, found.is_believed())
}

#[test]
fn a_checkpoint_is_believed_when_more_than_two_thirds_of_the_active_weight_signed() {
    let assembly = Assembly::of(&[2, 3, 4]);
    for (founders, signed, believed) in [
        (vec![], 0, false),
        (vec![2], 4, false),
        (vec![0, 2], 6, false),
        (vec![2, 1], 7, true),
        (vec![0, 1, 2], 9, true),
    ] {
        let checkpoint = signed_by(&assembly, &founders);
        assert_eq!(weights(&assembly, &checkpoint), (signed, 9, 0, believed));
        let read = Checkpoint::parse(checkpoint.to_string().as_bytes()).unwrap();
        assert_eq!(weights(&assembly, &read), (signed, 9, 0, believed));
        let registry = assembly.state().registry();
        let found = read.endorsement(registry, &StandInVerifier).unwrap();
        let ids: Vec<_> = founders
            .iter()
            .map(|founder| (assembly.id(*founder), 1))
            .collect();
        assert_eq!(found.signers, ids);
    }
}

#[test]
fn lines_of_keys_that_no_active_node_has_count_for_nothing() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let mut checkpoint = signed_by(&assembly, &[0, 1, 2, 3]);
    let text = checkpoint.to_string();
    // A witness, a name of a node with another key id, a key id with another name.
    let id = key_id(assembly.id(0), assembly.signer(0).key());
    for (name, key_id) in [
        ("witness.example/w1".to_owned(), [1; 4]),
        (assembly.id(0).to_string(), [1; 4]),
        (format!("{}x", assembly.id(0)), id),
    ] {
        let mut note = checkpoint.note().clone();
        let signature = vec![1; 72];
        note.sign(NoteSignature {
            name,
            key_id,
            signature,
        })
        .unwrap();
        checkpoint = Checkpoint::parse(note.to_string().as_bytes()).unwrap();
    }
    assert_eq!(weights(&assembly, &checkpoint), (4, 4, 3, true));
    // Nodes that were suspended, removed, or have another key since.
    let checkpoint = Checkpoint::parse(text.as_bytes()).unwrap();
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    assembly.accuse(3, proposal);
    assert_eq!(weights(&assembly, &checkpoint), (3, 3, 1, true));
    assembly.pass(
        [0, 1, 2],
        Action::RemoveNode {
            node: assembly.id(2),
        },
    );
    assert_eq!(weights(&assembly, &checkpoint), (2, 2, 2, true));
    let (_, new_key) = assembly.new_key(assembly.id(1));
    let rotation = assembly.rotation(new_key);
    let rotation = assembly.sign(1, rotation);
    assembly.accept(&Command::RotateKey(rotation));
    assert_eq!(weights(&assembly, &checkpoint), (1, 2, 3, false));
    // The line under a node's former key stands above the one under its present key.
    let (mut both, node) = (signed_by(&assembly, &[0, 1]), assembly.id(1));
    let present = assembly.signer_of(node);
    let cosignature = Cosignature {
        signer: node,
        posix_seconds: 2,
        signature: present.sign_message(&both.head().message(node, 2)),
    };
    both.sign(&cosignature, present.key()).unwrap();
    assert_eq!(weights(&assembly, &both), (2, 2, 1, true));
    let found = both.cosignature_of(node, present.key());
    assert_eq!(found, Some(cosignature));
}

#[test]
fn a_line_that_names_a_nodes_key_and_is_not_its_signature_refuses_the_checkpoint() {
    let assembly = Assembly::of(&[1, 1, 1]);
    let checkpoint = signed_by(&assembly, &[0, 1, 2]);
    let registry = assembly.state().registry();
    let refused = |text: String| {
        let read = Checkpoint::parse(text.as_bytes()).unwrap();
        read.endorsement(registry, &StandInVerifier).unwrap_err()
    };
    let bigger = head_of(&assembly).tree.size + 1;
    let text = checkpoint.to_string();
    let size = format!("\n{}\n", head_of(&assembly).tree.size);
    let error = refused(text.replace(&size, &format!("\n{bigger}\n")));
    let node = assembly.id(0);
    assert_eq!(error, CheckpointError::Signature { node });
    assert_eq!(error.code(), "checkpoint.signature");
    // Cut to less than a time.
    let id = key_id(node, assembly.signer(0).key());
    let mut note = Checkpoint::unsigned(head_of(&assembly))
        .unwrap()
        .note()
        .clone();
    note.sign(NoteSignature {
        name: node.to_string(),
        key_id: id,
        signature: vec![1; 7],
    })
    .unwrap();
    assert_eq!(
        refused(note.to_string()),
        CheckpointError::Signature { node }
    );
}

/// The example of C2SP tlog-witness, for one of our own checkpoints.
#[test]
fn a_request_has_the_form_of_add_checkpoint() {
    let text = Checkpoint::unsigned(head(20_852_163)).unwrap().to_string();
    let hash = |byte: u8| BASE64.encode([byte; 32]);
    let sizes = (20_852_014, 20_852_163);
    let Err(ProofError::Length { expected, .. }) =
        ConsistencyProof::new(sizes.0, sizes.1, vec![Digest::ZERO; 60])
    else {
        panic!("60 hashes are too many");
    };
    let hashes: Vec<String> = (0..expected).map(|byte| hash(byte as u8)).collect();
    let body = format!("old {}\n{}\n\n{text}", sizes.0, hashes.join("\n"));
    let request = SigningRequest::parse(body.as_bytes()).unwrap();
    assert_eq!(request.to_string(), body);
    let proof = request.consistency.as_ref().unwrap();
    assert_eq!((proof.from(), proof.to()), sizes);
    assert_eq!(proof.path()[1], Digest::from_bytes([1; 32]));
    // No proof is needed from nothing, and a checkpoint alone has none.
    let first = format!("old 0\n\n{text}");
    let request = SigningRequest::parse(first.as_bytes()).unwrap();
    assert_eq!((request.to_string(), request.consistency), (first, None));
    let alone = SigningRequest::parse(text.as_bytes()).unwrap();
    assert_eq!(alone.consistency, None);
    for bad in [
        body.replacen("old ", "old  ", 1),
        body.replacen("old 20852014", "old 020852014", 1),
        body.replacen("old 20852014", "old 20852164", 1),
        body.replacen("old 20852014", "old 0", 1),
        body.replacen("old 20852014", "old 20852015", 1),
        body.replacen("old 20852014", "old", 1),
        body.replacen(&hash(1), &hash(1)[1..], 1),
        body.replacen(&format!("{}\n", hash(1)), "", 1),
        body.replacen(&hash(1), &format!("{}\r", hash(1)), 1),
        body.replacen("\n\n", "\n", 1),
        body.replacen("\n\n", "\n\n\n", 1),
        format!("old 1\n{}\n{text}", format!("{}\n", hash(1)).repeat(64)),
        "old 0\n\n".to_owned(),
        "old ".to_owned(),
    ] {
        assert_ne!(bad, body);
        let error = SigningRequest::parse(bad.as_bytes()).expect_err(&bad);
        assert_eq!(error.code(), "checkpoint.malformed");
    }
}

#[test]
fn an_error_names_the_line_of_a_request() {
    let text = Checkpoint::unsigned(head(20_852_163)).unwrap().to_string();
    let hash = BASE64.encode([1; 32]);
    let most = ConsistencyProof::MAX_PATH;
    for (hashes, line, expected) in [
        (vec!["x"], 2, "a hash of 32 bytes in base64"),
        (vec![&hash, "x", &hash], 3, "a hash of 32 bytes in base64"),
        (
            vec![&hash; most],
            1,
            "sizes and a number of hashes that belong together",
        ),
        (
            vec![&hash; most + 1],
            most + 2,
            "a blank line: no proof is longer",
        ),
        (
            vec![&hash; most + 2],
            most + 2,
            "a blank line: no proof is longer",
        ),
    ] {
        let request = format!("old 20852014\n{}\n\n{text}", hashes.join("\n"));
        let error = SigningRequest::parse(request.as_bytes()).unwrap_err();
        assert_eq!(error, CheckpointError::Line { line, expected });
    }
}
