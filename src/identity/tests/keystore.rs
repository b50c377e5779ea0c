//! Key files on a real file system.

use std::cell::Cell;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::governance::key::Algorithm;
use crate::identity::{KeyStore, KeyStoreError, SigningKey, StoredSecret};

fn key(fill: u8) -> SigningKey {
    SigningKey::from_seed(Algorithm::MlDsa44, &[fill; 32]).unwrap()
}

/// A store in a directory that does not exist yet.
fn store() -> (TempDir, KeyStore) {
    let parent = tempfile::tempdir().unwrap();
    let store = KeyStore::new(parent.path().join("keys"));
    (parent, store)
}

/// A store with the key `alice`.
fn store_with_alice(passphrase: Option<&str>) -> (TempDir, KeyStore) {
    let (parent, store) = store();
    store.import("alice", &key(1), passphrase).unwrap();
    (parent, store)
}

fn code<T>(result: Result<T, KeyStoreError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

fn load(store: &KeyStore, passphrase: Option<&str>) -> Result<SigningKey, KeyStoreError> {
    store.load("alice", || {
        Ok(passphrase.map(|text| Zeroizing::new(text.to_owned())))
    })
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn created_keys_are_private_and_load_again() {
    let (_parent, store) = store();
    assert_eq!(store.list().unwrap(), []);
    let export = store.create("alice", Algorithm::MlDsa65, None).unwrap();
    assert_eq!(mode(store.dir()), 0o700);
    assert_eq!(files(store.dir()), ["alice.pem", "alice.pub.json"]);
    for file in files(store.dir()) {
        assert_eq!(mode(&store.dir().join(file)), 0o600);
    }
    let unasked = || unreachable!("a plain key needs no passphrase");
    let loaded = store.load("alice", unasked).unwrap();
    assert_eq!(loaded.public_key(), export.public_key());
    assert_eq!(store.public("alice").unwrap(), export);
}

#[test]
fn the_list_is_sorted_and_complete() {
    let (_parent, store) = store();
    store.import("b", &key(2), Some("p")).unwrap();
    store.import("a", &key(1), None).unwrap();
    store.import("c", &key(3), None).unwrap();
    fs::remove_file(store.dir().join("c.pem")).unwrap();
    fs::write(store.dir().join("notes.txt"), "").unwrap();
    fs::write(store.dir().join(".hidden.pub.json"), "").unwrap();

    let list = store.list().unwrap();
    for (stored, (name, fill, secret)) in list.iter().zip([
        ("a", 1, StoredSecret::Plain),
        ("b", 2, StoredSecret::Encrypted),
        ("c", 3, StoredSecret::Missing),
    ]) {
        assert_eq!((stored.name.as_str(), stored.secret), (name, secret));
        assert_eq!(stored.node_id(), key(fill).node_id());
        assert_eq!(stored.algorithm(), Algorithm::MlDsa44);
        let found = store.find_by_key(key(fill).public_key()).unwrap();
        assert_eq!(found.as_deref(), Some(name));
    }
    assert_eq!(list.len(), 3);
    assert_eq!(store.find_by_key(key(9).public_key()).unwrap(), None);

    fs::write(store.dir().join("b.pub.json"), "{}").unwrap();
    assert_eq!(code(store.list()), "key.malformed");
}

#[test]
fn names_are_plain_file_names() {
    let (parent, store) = store();
    let longest = "x".repeat(64);
    let too_long = "x".repeat(65);
    for (name, expected) in [
        ("a", "ok"),
        ("Alice-2.prod_eu", "ok"),
        ("_", "ok"),
        ("a..b", "ok"),
        (longest.as_str(), "ok"),
        (too_long.as_str(), "key.name"),
        ("", "key.name"),
        (".", "key.name"),
        ("..", "key.name"),
        (".a", "key.name"),
        ("-a", "key.name"),
        ("a/b", "key.name"),
        ("../a", "key.name"),
        ("/tmp/a", "key.name"),
        ("a\\b", "key.name"),
        ("a b", "key.name"),
        ("a\0", "key.name"),
        ("a\n", "key.name"),
        ("é", "key.name"),
    ] {
        assert_eq!(
            code(store.import(name, &key(1), None)),
            expected,
            "{name:?}"
        );
        let known = if expected == "ok" { "ok" } else { "key.name" };
        assert_eq!(code(store.public(name)), known, "{name:?}");
        assert_eq!(code(store.load(name, || Ok(None))), known, "{name:?}");
        assert_eq!(
            code(store.create(name, Algorithm::MlDsa44, None)) == "key.name",
            known != "ok"
        );
    }
    assert_eq!(files(parent.path()), ["keys"]);
}

#[test]
fn a_key_is_never_overwritten() {
    for existing in ["alice.pem", "alice.pub.json"] {
        let (_parent, store) = store_with_alice(None);
        for file in files(store.dir()) {
            if file != existing {
                fs::remove_file(store.dir().join(file)).unwrap();
            }
        }
        let before = fs::read(store.dir().join(existing)).unwrap();
        assert_eq!(code(store.import("alice", &key(2), None)), "key.exists");
        // What was there is untouched and nothing half-made was added.
        assert_eq!(files(store.dir()), [existing]);
        assert_eq!(fs::read(store.dir().join(existing)).unwrap(), before);
    }
}

#[test]
fn a_failed_creation_leaves_nothing() {
    let (_parent, store) = store();
    let empty = store.create("alice", Algorithm::MlDsa44, Some(""));
    assert_eq!(code(empty), "key.passphrase");
    assert!(!store.dir().exists());

    // A dangling link in the place of the second file: the first is taken back.
    fs::create_dir(store.dir()).unwrap();
    set_mode(store.dir(), 0o700);
    let target = store.dir().join("elsewhere");
    std::os::unix::fs::symlink(&target, store.dir().join("alice.pem")).unwrap();
    assert_eq!(code(store.import("alice", &key(1), None)), "key.exists");
    assert_eq!(files(store.dir()), ["alice.pem"]);
    assert!(!target.exists());

    let file = store.dir().join("file");
    fs::write(&file, "").unwrap();
    set_mode(&file, 0o600);
    let below_a_file = KeyStore::new(file.join("keys"));
    assert_eq!(code(below_a_file.import("alice", &key(1), None)), "key.io");
}

#[test]
fn whatever_is_open_to_others_is_refused() {
    for (dir_mode, file_mode, expected) in [
        (0o700, 0o600, "ok"),
        (0o700, 0o400, "ok"),
        (0o700, 0o640, "key.permissions"),
        (0o700, 0o604, "key.permissions"),
        (0o700, 0o620, "key.permissions"),
        (0o750, 0o600, "key.permissions"),
        (0o701, 0o600, "key.permissions"),
        (0o720, 0o600, "key.permissions"),
    ] {
        let (_parent, store) = store_with_alice(None);
        set_mode(&store.dir().join("alice.pem"), file_mode);
        set_mode(store.dir(), dir_mode);
        assert_eq!(
            code(load(&store, None)),
            expected,
            "{dir_mode:o} {file_mode:o}"
        );
        if dir_mode != 0o700 {
            let created = store.import("bob", &key(2), None);
            assert!(
                created
                    .as_ref()
                    .unwrap_err()
                    .to_string()
                    .contains("chmod 700")
            );
            assert_eq!(code(created), "key.permissions");
            assert_eq!(code(store.list()), "key.permissions");
            assert_eq!(files(store.dir()), ["alice.pem", "alice.pub.json"]);
        }
    }
}

#[test]
fn passphrases() {
    let (_parent, store) = store_with_alice(Some("open sesame"));
    for (passphrase, expected) in [
        (Some("open sesame"), "ok"),
        (Some("open barley"), "key.passphrase"),
        (Some(""), "key.passphrase"),
        (None, "key.passphrase"),
    ] {
        assert_eq!(code(load(&store, passphrase)), expected, "{passphrase:?}");
    }
    let asked = Cell::new(0);
    let interrupted = store.load("alice", || {
        asked.set(asked.get() + 1);
        Err(io::ErrorKind::Interrupted.into())
    });
    assert_eq!((code(interrupted), asked.get()), ("key.io", 1));
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (_parent, store) = store_with_alice(None);
    store.import("bob", &key(2), None).unwrap();
    store.create("carol", Algorithm::MlDsa87, None).unwrap();
    let path = |file: &str| store.dir().join(file);
    let original = path("original.pem");
    fs::copy(path("alice.pem"), &original).unwrap();
    for (secret, public, expected) in [
        ("original.pem", "bob.pub.json", "key.mismatch"),
        ("original.pem", "carol.pub.json", "key.mismatch"),
        ("original.pem", "bob.pem", "key.malformed"),
        ("bob.pub.json", "bob.pub.json", "key.malformed"),
        ("bob.pem", "carol.pub.json", "key.mismatch"),
        // Both of Bob's files under another name are still Bob's key.
        ("bob.pem", "bob.pub.json", "ok"),
    ] {
        fs::copy(path(secret), path("alice.pem")).unwrap();
        fs::copy(path(public), path("alice.pub.json")).unwrap();
        let result = code(load(&store, None));
        assert_eq!(result, expected, "{secret} with {public}");
    }
    fs::remove_file(store.dir().join("alice.pem")).unwrap();
    assert_eq!(code(load(&store, None)), "key.not-found");
    fs::remove_file(store.dir().join("alice.pub.json")).unwrap();
    assert_eq!(code(load(&store, None)), "key.not-found");
    assert_eq!(code(store.public("nobody")), "key.not-found");
}
