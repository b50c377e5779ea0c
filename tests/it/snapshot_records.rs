//! The records of a state, one check at a time.
//!
//! A snapshot whose records make another state is refused by its state hash too. Here nothing stands
//! behind the records, so that each check has to hold by itself.

use althing::governance::MAX_INTEGER;
use althing::governance::ballot::Decision;
use althing::governance::command::Command;
use althing::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, RevocationTerms,
};
use althing::governance::state::{State, StateReader};
use althing::governance::time::Seconds;
use althing::testing::{Assembly, actions};
use serde_json::{Value, json};

/// A ledger whose state has two of everything that a state can have any number of.
fn ledger() -> Assembly {
    let mut assembly = Assembly::of(&[3, 2, 2, 1, 1]);
    for _ in 0..2 {
        let (_, new_key) = assembly.new_key(assembly.id(1));
        let rotation = assembly.rotation(new_key);
        let rotation = assembly.sign(1, rotation);
        assembly.accept(&Command::RotateKey(rotation));
    }
    let parent = assembly.pass(0..3, actions::authorize_agent("scheduler"));
    let delegation = DelegationTerms {
        parent,
        terms: GrantTerms::unrestricted(actions::agent("helper")),
    };
    assembly.pass(0..3, Action::Delegation(delegation));
    let once = assembly.pass(0..3, actions::authorize_model("once"));
    assembly.pass(0..3, actions::authorize_model("triage"));
    assembly.pass(0..3, actions::revoke_grant("once", once));
    for agent in ["first", "second"] {
        let terms = RevocationTerms {
            grant_id: None,
            subject: actions::agent(agent),
        };
        assembly.pass(0..3, Action::RevokeAgent(terms));
    }
    for model in ["first", "second"] {
        let target = FreezeTarget::Subject(actions::model(model));
        let hour = Seconds::new(3600).expect("an hour");
        let until = assembly.now().saturating_add(hour);
        assembly.pass(0..3, Action::EmergencyFreeze { target, until });
        assembly.wait(1);
    }
    let open = assembly.propose(1, actions::authorize_model("open"));
    assembly.vote(0, open, Decision::Abstain);
    assembly.accuse(3, open);
    assembly.accuse(4, open);
    for node in [1, 2] {
        let heads = assembly.contradicting_heads(node);
        assembly.accept(&Command::SubmitContradictingHeads(Box::new(heads)));
    }
    assembly
}

/// The records of a state, to be changed.
#[derive(Clone)]
struct Records(Vec<Value>);

impl Records {
    fn of(state: &State) -> Self {
        let mut bytes = Vec::new();
        state.write_records(&mut bytes).expect("memory takes all");
        let lines = bytes.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        Self(
            lines
                .map(|line| serde_json::from_slice(line).expect("JSON"))
                .collect(),
        )
    }

    /// Where the `n`th record of a kind stands, from 0.
    fn place(&self, kind: &str, n: usize) -> usize {
        let mut places = (0..self.0.len()).filter(|place| self.0[*place].get(kind).is_some());
        places
            .nth(n)
            .unwrap_or_else(|| panic!("there are no {n} of {kind}"))
    }

    fn get(&mut self, kind: &str, n: usize) -> &mut Value {
        let place = self.place(kind, n);
        &mut self.0[place][kind]
    }

    /// Changes one value of a record, named by a JSON pointer.
    fn set(&mut self, kind: &str, n: usize, pointer: &str, value: impl Into<Value>) {
        let found = self.get(kind, n).pointer_mut(pointer);
        *found.expect("a place in the record") = value.into();
    }

    fn number(&mut self, kind: &str, n: usize, pointer: &str) -> u64 {
        let found = self.get(kind, n).pointer(pointer).and_then(Value::as_u64);
        found.expect("a number")
    }

    fn entries(&mut self) -> u64 {
        self.number("state", 0, "/entries")
    }

    /// Writes a record a second time, right behind the first.
    fn repeat(&mut self, kind: &str, n: usize) -> &mut Value {
        let place = self.place(kind, n);
        self.0.insert(place, self.0[place].clone());
        &mut self.0[place + 1][kind]
    }

    /// Exchanges the `n`th record of a kind and the next of that kind.
    fn swap(&mut self, kind: &str, n: usize) {
        let (one, other) = (self.place(kind, n), self.place(kind, n + 1));
        self.0.swap(one, other);
    }

    /// The first member of an electorate that has voted.
    fn voter(&self) -> usize {
        let members = self.0.iter().filter_map(|record| record.get("member"));
        let mut ballots = members.map(|member| !member["ballot"].is_null());
        ballots.position(|voted| voted).expect("a voter")
    }

    fn read(&self) -> Result<State, String> {
        let mut reader = StateReader::new();
        for record in &self.0 {
            let line = serde_json::to_vec(record).expect("JSON");
            reader.record(&line).map_err(|error| error.to_string())?;
        }
        reader.finish().map_err(|error| error.to_string())
    }
}

const ORDER: &str = "the record is out of order";
const NO_ENTRY: &str = "an entry that there is not";
const COUNT: &str = "a count above 2^53 - 1";

type Change = fn(&mut Records);

/// What is changed, how, and what is said of it.
const REFUSED: &[(&str, Change, &str)] = &[
    ("no record", |it| it.0.clear(), "there is no record"),
    ("the state alone", |it| it.0.truncate(1), "there is no node"),
    ("no state", |it| drop(it.0.remove(0)), ORDER),
    (
        "two states",
        |it| {
            it.repeat("state", 0);
        },
        ORDER,
    ),
    (
        "a policy without a majority",
        |it| {
            it.set("state", 0, "/policy/default/approval", Value::Null);
            it.set("state", 0, "/policy/default/absolute", Value::Null);
        },
        "a policy that can't stand",
    ),
    (
        "too many predictions with a grant",
        |it| it.set("state", 0, "/other_predictions/authorized", MAX_INTEGER + 1),
        COUNT,
    ),
    (
        "too many predictions without",
        |it| {
            it.set(
                "state",
                0,
                "/other_predictions/unauthorized",
                MAX_INTEGER + 1,
            )
        },
        COUNT,
    ),
    (
        "an integer that JSON does not carry exactly",
        |it| it.set("state", 0, "/epoch", MAX_INTEGER + 1),
        "at most 9007199254740991",
    ),
    (
        "the largest integer of the machine",
        |it| it.set("state", 0, "/epoch", u64::MAX),
        "at most 9007199254740991",
    ),
    // Nodes and their keys.
    (
        "a node of no entry",
        |it| it.set("node", 0, "/added_at", 0),
        NO_ENTRY,
    ),
    (
        "a node of a later entry",
        |it| {
            let entries = it.entries();
            it.set("node", 4, "/added_at", entries + 1);
        },
        NO_ENTRY,
    ),
    ("nodes out of order", |it| it.swap("node", 3), ORDER),
    (
        "two nodes of one entry",
        |it| {
            let first = it.number("node", 2, "/added_at");
            it.set("node", 3, "/added_at", first);
        },
        ORDER,
    ),
    (
        "a node that is there twice",
        |it| {
            let node = it.repeat("node", 4);
            node["added_at"] = json!(node["added_at"].as_u64().map(|at| at + 1));
        },
        "a node too many",
    ),
    (
        "a node under another id",
        |it| {
            let other = it.get("node", 3)["node"].clone();
            it.set("node", 4, "/node", other.clone());
            it.set(
                "node",
                3,
                "/node",
                it.0[0]["state"]["ledger"]
                    .as_str()
                    .map(|hex| format!("did:pqaid:{hex}")),
            );
        },
        "a node that is not its key's",
    ),
    (
        "a node with another's first key",
        |it| {
            let other = it.get("node", 4)["key"].clone();
            it.set("former-key", 0, "/key", other);
        },
        "a node that is not its key's",
    ),
    (
        "a key that was used before",
        |it| {
            let first = it.get("former-key", 0)["key"].clone();
            it.set("former-key", 1, "/key", first);
        },
        "a key that was used before, or too much weight",
    ),
    (
        "active nodes too heavy together",
        |it| {
            it.set("node", 0, "/weight", MAX_INTEGER);
            it.set("node", 3, "/status", "active");
        },
        "a key that was used before, or too much weight",
    ),
    (
        "a key of no node",
        |it| {
            let place = it.place("former-key", 0);
            let key = it.0.remove(place);
            it.0.insert(1, key);
        },
        "a key of no node",
    ),
    (
        "a key until no entry",
        |it| it.set("former-key", 0, "/until", 0),
        NO_ENTRY,
    ),
    (
        "a key until a later entry",
        |it| {
            let entries = it.entries();
            it.set("former-key", 1, "/until", entries + 1);
        },
        NO_ENTRY,
    ),
    (
        "a key that was replaced as soon as the node joined",
        |it| {
            let added = it.number("node", 1, "/added_at");
            it.set("former-key", 0, "/until", added);
        },
        ORDER,
    ),
    (
        "former keys out of order",
        |it| it.swap("former-key", 0),
        ORDER,
    ),
    (
        "two former keys until one entry",
        |it| {
            let until = it.number("former-key", 0, "/until");
            it.set("former-key", 1, "/until", until);
        },
        ORDER,
    ),
    // Proposals, electorates and ballots.
    (
        "a proposal before its nodes",
        |it| {
            let place = it.place("proposal", 0);
            let proposal = it.0.remove(place);
            it.0.insert(1, proposal);
        },
        "a proposal of nobody here",
    ),
    (
        "a node behind a proposal",
        |it| {
            let place = it.place("node", 4);
            let node = it.0.remove(place);
            it.0.insert(place + 1, node);
        },
        ORDER,
    ),
    (
        "a proposal of no entry",
        |it| it.set("proposal", 0, "/seq", 0),
        NO_ENTRY,
    ),
    (
        "a proposal of a later entry",
        |it| {
            let entries = it.entries();
            it.set("proposal", 0, "/seq", entries + 1);
        },
        NO_ENTRY,
    ),
    (
        "a proposal of another ledger",
        |it| it.set("proposal", 0, "/content/ledger", "ab".repeat(32)),
        "a proposal of nobody here",
    ),
    (
        "a proposal of an unknown node",
        |it| {
            it.set(
                "proposal",
                0,
                "/content/proposer",
                format!("did:pqaid:{}", "ab".repeat(32)),
            )
        },
        "a proposal of nobody here",
    ),
    (
        "a proposal that is there twice",
        |it| {
            let first = it.get("proposal", 0)["content"].clone();
            it.set("proposal", 1, "/content", first);
        },
        "a proposal that is there twice",
    ),
    (
        "no rule",
        |it| it.set("proposal", 0, "/rules", json!([])),
        "rules that can't stand",
    ),
    (
        "three rules",
        |it| {
            let rule = it.get("proposal", 0)["rules"][0].clone();
            it.set("proposal", 0, "/rules", json!([rule, rule, rule]));
        },
        "rules that can't stand",
    ),
    (
        "a rule without a majority",
        |it| {
            it.set("proposal", 0, "/rules/0/approval", Value::Null);
            it.set("proposal", 0, "/rules/0/absolute", Value::Null);
        },
        "rules that can't stand",
    ),
    (
        "a second rule without a majority",
        |it| {
            let rule = it.get("proposal", 0)["rules"][0].clone();
            it.set("proposal", 0, "/rules", json!([rule, rule]));
            it.set("proposal", 0, "/rules/1/approval", Value::Null);
            it.set("proposal", 0, "/rules/1/absolute", Value::Null);
        },
        "rules that can't stand",
    ),
    (
        "a decision with the opening",
        |it| {
            let seq = it.number("proposal", 0, "/seq");
            it.set("proposal", 0, "/decided/seq", seq);
        },
        "a proposal that ends before it begins",
    ),
    (
        "an end with the opening",
        |it| {
            let seq = it.number("proposal", 0, "/seq");
            it.set("proposal", 0, "/ended/seq", seq);
        },
        "a proposal that ends before it begins",
    ),
    (
        "a decision yet to come",
        |it| {
            let entries = it.entries();
            it.set("proposal", 0, "/decided/seq", entries + 1);
        },
        NO_ENTRY,
    ),
    (
        "an end yet to come",
        |it| {
            let entries = it.entries();
            it.set("proposal", 0, "/ended/seq", entries + 1);
        },
        NO_ENTRY,
    ),
    (
        "a member of no electorate",
        |it| {
            let place = it.place("proposal", 0);
            it.0.swap(place, place + 1);
        },
        "a member of no electorate",
    ),
    (
        "a member that is no node",
        |it| {
            it.set(
                "member",
                0,
                "/node",
                format!("did:pqaid:{}", "ab".repeat(32)),
            )
        },
        "a member that is no node",
    ),
    (
        "a member that is there twice",
        |it| {
            it.repeat("member", 0)["ballot"] = Value::Null;
        },
        "a member that is there twice",
    ),
    (
        "an electorate too heavy",
        |it| it.set("member", 0, "/weight", MAX_INTEGER),
        "the weights exceed 2^53 - 1",
    ),
    (
        "a ballot with the opening",
        |it| {
            let (voter, seq) = (it.voter(), it.number("proposal", 0, "/seq"));
            it.set("member", voter, "/ballot/seq", seq);
        },
        "a ballot out of its time",
    ),
    (
        "a ballot yet to come",
        |it| {
            let (voter, entries) = (it.voter(), it.entries());
            it.set("member", voter, "/ballot/seq", entries + 1);
        },
        "a ballot out of its time",
    ),
    (
        "a ballot on another ledger",
        |it| {
            let voter = it.voter();
            let pointer = "/ballot/kept/signed/statement/ledger";
            it.set("member", voter, pointer, "ab".repeat(32));
        },
        "a ballot of another ledger",
    ),
    (
        "a vote id that is there twice",
        |it| {
            // The same electorate votes in the same order on the second proposal.
            let (voter, members) = (
                it.voter(),
                it.place("proposal", 1) - it.place("proposal", 0) - 1,
            );
            let first = it.get("member", voter)["ballot"]["kept"].clone();
            it.set("member", voter + members, "/ballot/kept", first);
        },
        "a vote id that is there twice",
    ),
    // Grants, revocations and freezes.
    (
        "a grant of no entry",
        |it| it.set("grant", 0, "/granted_seq", 0),
        NO_ENTRY,
    ),
    ("grants out of order", |it| it.swap("grant", 2), ORDER),
    (
        "two grants of one entry",
        |it| {
            let seq = it.number("grant", 2, "/granted_seq");
            it.set("grant", 3, "/granted_seq", seq);
        },
        ORDER,
    ),
    (
        "a grant that nobody proposed",
        |it| {
            it.set("grant", 0, "/grant", "00000000-0000-0000-0000-00000000ffff");
        },
        "a grant that nobody proposed",
    ),
    (
        "a grant that is there twice",
        |it| {
            let grant = it.repeat("grant", 3);
            grant["granted_seq"] = json!(grant["granted_seq"].as_u64().map(|seq| seq + 1));
        },
        "a grant of nothing, or one that is there twice",
    ),
    (
        "a grant that was passed on by an unknown one",
        |it| {
            it.set(
                "grant",
                1,
                "/parent",
                "00000000-0000-0000-0000-00000000ffff",
            )
        },
        "a grant of nothing, or one that is there twice",
    ),
    (
        "a grant that was passed on by nobody",
        |it| {
            it.set("grant", 1, "/parent", Value::Null);
        },
        "a grant that nobody proposed",
    ),
    (
        "a grant that nobody passed on",
        |it| {
            let parent = it.get("grant", 0)["grant"].clone();
            it.set("grant", 2, "/parent", parent);
        },
        "a grant that nobody proposed",
    ),
    (
        "a grant that was revoked by no entry",
        |it| it.set("grant", 2, "/revoked/seq", 0),
        NO_ENTRY,
    ),
    (
        "a revocation of no entry",
        |it| it.set("revocation", 0, "/seq", 0),
        NO_ENTRY,
    ),
    (
        "a revocation yet to come",
        |it| {
            let entries = it.entries();
            it.set("revocation", 0, "/seq", entries + 1);
        },
        NO_ENTRY,
    ),
    (
        "revocations out of order",
        |it| it.swap("revocation", 0),
        ORDER,
    ),
    (
        "a revocation twice",
        |it| {
            it.repeat("revocation", 0);
        },
        ORDER,
    ),
    ("freezes out of order", |it| it.swap("freeze", 0), ORDER),
    (
        "a freeze by another proposal",
        |it| {
            let grant = it.get("grant", 0).clone();
            it.set("freeze", 0, "/freeze", grant["grant"].clone());
            it.set("freeze", 0, "/from", grant["granted_at"].clone());
        },
        "a freeze that nobody decided",
    ),
    (
        "a freeze from another time on",
        |it| {
            let other = it.get("freeze", 1)["from"].clone();
            it.set("freeze", 0, "/from", other);
        },
        "a freeze that nobody decided",
    ),
    // Evidence.
    (
        "evidence of no entry",
        |it| it.set("evidence", 0, "/seq", 0),
        NO_ENTRY,
    ),
    (
        "evidence yet to come",
        |it| {
            let entries = it.entries();
            it.set("evidence", 0, "/seq", entries + 1);
        },
        NO_ENTRY,
    ),
    ("evidence out of order", |it| it.swap("evidence", 0), ORDER),
    (
        "evidence twice",
        |it| {
            it.repeat("evidence", 0);
        },
        ORDER,
    ),
    (
        "evidence on an unknown proposal",
        |it| {
            it.set(
                "evidence",
                0,
                "/proposal",
                "00000000-0000-0000-0000-00000000ffff",
            )
        },
        "evidence against nobody",
    ),
    (
        "evidence against an unknown node",
        |it| {
            it.set(
                "evidence",
                0,
                "/node",
                format!("did:pqaid:{}", "00".repeat(32)),
            )
        },
        "evidence against nobody",
    ),
    (
        "a contradiction of no entry",
        |it| {
            it.set("contradiction", 0, "/seq", 0);
        },
        NO_ENTRY,
    ),
    (
        "a contradiction yet to come",
        |it| {
            let entries = it.entries();
            it.set("contradiction", 0, "/seq", entries + 1);
        },
        NO_ENTRY,
    ),
    (
        "a contradiction out of order",
        |it| it.swap("contradiction", 0),
        ORDER,
    ),
    (
        "a contradiction twice",
        |it| {
            it.repeat("contradiction", 0);
        },
        ORDER,
    ),
    (
        "a contradiction of an unknown node",
        |it| {
            let nobody = format!("did:pqaid:{}", "00".repeat(32));
            it.set("contradiction", 0, "/node", nobody);
        },
        "evidence against nobody",
    ),
    (
        "a term before the node joined",
        |it| {
            it.set("contradiction", 0, "/term", 1);
        },
        "evidence against nobody",
    ),
    (
        "a term that began with the evidence",
        |it| {
            let seq = it.number("contradiction", 0, "/seq");
            it.set("contradiction", 0, "/term", seq);
        },
        "evidence against nobody",
    ),
    // Predictions.
    ("models out of order", |it| it.swap("model", 0), ORDER),
    (
        "a model twice",
        |it| {
            it.repeat("model", 0);
        },
        ORDER,
    ),
    (
        "too many predictions of a model",
        |it| it.set("model", 0, "/count/unauthorized", MAX_INTEGER + 1),
        COUNT,
    ),
    // The whole.
    (
        "a member that stands where its ballot does not",
        |it| {
            let voter = it.voter();
            it.set("member", voter, "/standing", "reject");
        },
        "no state of any history",
    ),
];

#[test]
fn every_check_of_a_record_holds_by_itself() {
    let whole = Records::of(ledger().state());
    assert!(whole.read().is_ok());
    let mut wrong = Vec::new();
    for (name, change, said) in REFUSED {
        let mut changed = whole.clone();
        change(&mut changed);
        let found = changed.read().err();
        if !(found.as_ref()).is_some_and(|error| error.contains(said)) {
            wrong.push(format!("{name}: expected {said}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is at the very edge of what a record may say.
const READ: &[(&str, Change)] = &[
    ("the first entry", |it| it.set("node", 0, "/added_at", 1)),
    ("the last entry", |it| {
        let entries = it.entries();
        it.set("revocation", 0, "/seq", entries);
    }),
    ("a ballot in the last entry", |it| {
        let (voter, entries) = (it.voter(), it.entries());
        it.set("member", voter, "/ballot/seq", entries);
    }),
    ("the largest counts", |it| {
        it.set("model", 0, "/count/authorized", MAX_INTEGER);
        it.set("model", 0, "/count/unauthorized", MAX_INTEGER);
    }),
    ("the largest integer", |it| {
        it.set("state", 0, "/epoch", MAX_INTEGER);
    }),
    ("a term that began when the node joined", |it| {
        let node = it.get("contradiction", 0)["node"].clone();
        let nodes = it.0.iter().filter_map(|record| record.get("node"));
        let mut nodes = nodes.filter(|found| found["node"] == node);
        let added = nodes.next().expect("the node")["added_at"].clone();
        it.set("contradiction", 0, "/term", added);
    }),
    ("a rule with an absolute majority alone", |it| {
        it.set("proposal", 0, "/rules/0/approval", Value::Null);
    }),
    ("a rule with a relative majority alone", |it| {
        it.set("proposal", 0, "/rules/0/absolute", Value::Null);
    }),
    ("two rules", |it| {
        let rule = it.get("proposal", 0)["rules"][0].clone();
        it.set("proposal", 0, "/rules", json!([rule, rule]));
    }),
];

#[test]
fn what_is_just_possible_is_read() {
    let whole = Records::of(ledger().state());
    for (name, change) in READ {
        let mut changed = whole.clone();
        change(&mut changed);
        assert_eq!(changed.read().err(), None, "{name}");
    }
}
