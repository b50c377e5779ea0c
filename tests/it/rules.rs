//! Rules of the specification that no other test stands for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use althing::governance::ballot::Decision::{Abstain, Approve, Reject};
use althing::governance::ballot::{Ballot, Decision};
use althing::governance::command::Command;
use althing::governance::decide::{Context, decide};
use althing::governance::digest::Digest;
use althing::governance::event::{
    AuthorizationGranted, AuthorizationRevoked, DecisionOverturned, Event, FailureReason,
    FreezeLifted, KeyReplaced, NodeReinstated, NodeRemoved, OPERATIONS, ProposalFailed,
    ProposalLapsed, ProposalSuperseded, Recorded, RecoveryRecorded, SupersededBy,
};
use althing::governance::evidence::Equivocation;
use althing::governance::evolve::evolve;
use althing::governance::founding::Founding;
use althing::governance::genesis::{Genesis, found};
use althing::governance::id::{GrantId, LedgerId, ProposalId};
use althing::governance::key::Signature;
use althing::governance::kind::AuthorizationKind;
use althing::governance::label::{Label, Name, Prose, Title};
use althing::governance::policy::Policy;
use althing::governance::possession::KeyPossession;
use althing::governance::prediction::{OutputSummary, Prediction, PredictionVerdict};
use althing::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, NewNode, Proposal, Rotation, Withdrawal,
};
use althing::governance::scope::{CheckContext, Scope};
use althing::governance::state::State;
use althing::governance::state::authorization::{CheckOutcome, CheckReason};
use althing::governance::state::proposal::Status;
use althing::governance::state::registry::NodeStatus;
use althing::governance::statement::{Signed, Statement, StatementContent};
use althing::governance::tally::{Reason, Standing, Verdict};
use althing::governance::time::{Seconds, Timestamp};
use althing::governance::weight::Weight;
use althing::ledger::{FileLedger, LedgerReader, Wait};
use althing::testing::actions::{self, authorize_model, remove_node, revoke_model, update_policy};
use althing::testing::{
    Assembly, Signatures, Signer, StandInVerifier, founding, genesis, prediction,
};
use serde_json::{Map, Value};
use uuid::Uuid;

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

fn nowhere() -> ProposalId {
    ProposalId::from_uuid(Uuid::nil())
}

fn elsewhere() -> LedgerId {
    LedgerId::of_founding("another ledger")
}

fn later(at: Timestamp, seconds: u64) -> Timestamp {
    at.saturating_add(Seconds::new(seconds).expect("a length of time"))
}

#[track_caller]
fn replays(assembly: &Assembly) {
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

fn timelocked() -> Policy {
    let mut policy = Policy::default();
    policy.default.timelock_seconds = Seconds::HOUR;
    policy
}

/// The code with which a command is refused.
#[track_caller]
fn refused(assembly: &mut Assembly, command: &Command) -> &'static str {
    let refused = assembly.submit(command);
    refused.expect_err("the rules refuse it").code()
}

/// The state after `event`, however it came about.
fn after(state: &State, event: Event) -> State {
    let recorded = Recorded {
        seq: state.entries() + 1,
        timestamp: state.clock(),
        hash: Digest::ZERO,
        event,
    };
    evolve(state.clone(), &recorded)
}

fn projection(state: &State) -> Value {
    serde_json::from_str(&state.projection()).expect("the projection is JSON")
}

fn document(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("docs/specification").join(name)).expect("the document")
}

/// The JSON examples of a rule.
fn examples(document: &str, rule: &str) -> Vec<Value> {
    let start = document.find(&format!("**{rule}**")).expect("the rule");
    let text = &document[start + 2..];
    let text = &text[..text.find("\n**").unwrap_or(text.len())];
    let blocks = text.split("```json\n").skip(1);
    blocks
        .map(|block| block.split("```").next().expect("a block"))
        .map(|block| serde_json::from_str(block).expect("an example is JSON"))
        .collect()
}

fn members(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

// 01 Determinism

#[test]
fn an_event_about_nothing_changes_the_count_and_the_clock_alone() {
    let mut assembly = Assembly::of(&[1, 1]);
    assembly.propose(0, authorize_model("triage"));
    let stranger = Signer::nth(Signatures::StandIn, 900);
    let (key, node, proposal_id) = (stranger.key().clone(), stranger.node(), nowhere());
    let weight = assembly.state().registry().active_weight();
    let before = projection(assembly.state());
    let about_a_proposal = [
        Event::from(ProposalLapsed { proposal_id }),
        Event::from(ProposalFailed {
            proposal_id,
            reason: FailureReason::Expired,
        }),
        Event::from(ProposalSuperseded {
            proposal_id,
            reason: SupersededBy::Evidence,
        }),
        Event::from(DecisionOverturned {
            approve_weight: weight,
            byzantine_weight: weight,
            proposal_id,
        }),
        Event::from(AuthorizationRevoked {
            grant_ids: vec![proposal_id],
            kind: AuthorizationKind::Model,
            proposal_id,
            subject: actions::model("triage"),
        }),
        Event::from(FreezeLifted {
            freezes: vec![proposal_id],
            proposal_id,
        }),
    ];
    let about_a_node = [
        Event::from(NodeRemoved { node, proposal_id }),
        Event::from(KeyReplaced {
            key: key.clone(),
            node,
            proposal_id,
        }),
        Event::from(NodeReinstated {
            key,
            node,
            proposal_id,
        }),
    ];
    let about_a_proposal = about_a_proposal.into_iter().map(|event| (event, false));
    // These three advance the epoch all the same, which no accepted history ever shows.
    let about_a_node = about_a_node.into_iter().map(|event| (event, true));
    for (event, counts_an_epoch) in about_a_proposal.chain(about_a_node) {
        let recorded = Recorded {
            seq: assembly.state().entries() + 1,
            timestamp: later(assembly.now(), 1),
            hash: Digest::ZERO,
            event,
        };
        let mut found = projection(&evolve(assembly.state().clone(), &recorded));
        let operation = recorded.event.operation();
        assert_eq!(found["entries"], recorded.seq, "{operation}");
        let clock = recorded.timestamp.to_string();
        assert_eq!(found["clock"], clock, "{operation}");
        for member in ["entries", "clock"] {
            found[member] = before[member].clone();
        }
        if counts_an_epoch {
            found["epoch"] = before["epoch"].clone();
        }
        assert_eq!(found, before, "{operation}");
    }
}

#[test]
fn what_changes_no_count_has_no_consequence() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let queued = assembly.propose(0, authorize_model("triage"));
    assembly.vote(0, queued, Approve);
    let draft = assembly.draft(0, authorize_model("other"));
    let proposal = draft.proposal_id;
    let proposed = assembly.accept(&Command::Propose(assembly.sign(0, draft)));
    assert!(matches!(proposed[..], [Event::ProposalCreated(_)]));
    assert!(matches!(
        assembly.withdraw(proposal)[..],
        [Event::ProposalWithdrawn(_)]
    ));
    assert!(matches!(
        assembly.predict("triage")[..],
        [Event::PredictionRecorded(_)]
    ));
    let recovery = RecoveryRecorded {
        bytes: 1,
        offset: 1,
        sha256: Digest::ZERO,
    };
    let recovered = assembly.accept(&Command::RecordRecovery(recovery));
    assert!(matches!(recovered[..], [Event::RecoveryRecorded(_)]));
    replays(&assembly);
}

#[test]
fn evidence_overturns_before_it_supersedes() {
    let mut assembly = Assembly::under(timelocked(), &[1; 4]);
    let queued = assembly.pass([0, 1, 3], authorize_model("triage"));
    let evidence = assembly.equivocation(3, queued);
    let other = assembly.propose(0, authorize_model("other"));
    assembly.accuse(3, other);
    assert_eq!(assembly.status(queued), Status::Queued);
    let (_, new) = assembly.new_key(assembly.id(3));
    assembly.propose(0, Action::ReinstateNode(new));
    let events = assembly.accept(&Command::SubmitEvidence(evidence));
    assert!(
        matches!(
            events[..],
            [
                Event::ByzantineDetected(_),
                Event::DecisionOverturned(_),
                Event::ProposalSuperseded(_)
            ]
        ),
        "{events:?}"
    );
    replays(&assembly);
}

#[test]
fn no_statement_names_a_proposal_of_its_own_batch() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let now = assembly.now();
    let draft = assembly.draft(0, authorize_model("triage"));
    let (proposal, ledger, proposer) = (draft.proposal_id, draft.ledger, draft.proposer);
    let propose = Command::Propose(assembly.sign(0, draft));
    // Before there is an entry its hash is 64 zeros.
    let evidence = assembly.equivocation(1, proposal);
    let withdrawal = Withdrawal {
        ledger,
        proposal_hash: Digest::ZERO,
        proposal_id: proposal,
        proposer,
        withdrawn_at: now,
    };
    let before = assembly.bytes().to_vec();
    for (command, code) in [
        (Command::SubmitEvidence(evidence), "evidence.hash-mismatch"),
        (
            Command::Withdraw(assembly.sign(0, withdrawal)),
            "withdraw.hash-mismatch",
        ),
    ] {
        let commands = [propose.clone(), command];
        let found = assembly.node_mut().submit_all(&commands, now);
        assert_eq!(found.unwrap_err().code(), code);
        assert_eq!(assembly.bytes(), before);
    }
}

#[test]
fn what_would_not_be_read_again_is_unwritable() {
    let mut assembly = Assembly::of(&[1]);
    let before = (assembly.bytes().to_vec(), assembly.state().hash());
    let recovery = RecoveryRecorded {
        bytes: u64::MAX,
        offset: 0,
        sha256: Digest::ZERO,
    };
    let now = assembly.now();
    let command = Command::RecordRecovery(recovery);
    let found = assembly.node_mut().submit(&command, now);
    assert_eq!(found.unwrap_err().code(), "event.unwritable");
    assert_eq!(assembly.bytes(), before.0);
    assert_eq!(assembly.state().hash(), before.1);
    replays(&assembly);
}

// 02 Identity

#[test]
fn statements_have_their_domain_and_their_limit() {
    fn check<T: StatementContent>(domain: &str, kib: usize) {
        assert_eq!(T::DOMAIN, domain);
        let at_limit = " ".repeat(kib * 1024);
        let is_too_long = |text: &str| {
            let error = Statement::<T>::parse(text).err().expect("no statement");
            error.to_string().contains("bytes for")
        };
        assert!(!is_too_long(&at_limit), "{domain}");
        assert!(is_too_long(&(at_limit + " ")), "{domain}");
    }
    check::<Founding>("althing/founding/v1", 900);
    check::<Proposal>("althing/proposal/v1", 256);
    check::<Ballot>("althing/ballot/v1", 100);
    check::<Withdrawal>("althing/withdrawal/v1", 4);
    check::<Rotation>("althing/rotation/v1", 16);
    check::<KeyPossession>("althing/key/v1", 8);

    let mut assembly = Assembly::of(&[1]);
    let ballot = Statement::new(assembly.ballot(0, nowhere(), Approve)).unwrap();
    let message = format!("althing/ballot/v1\n{}", ballot.as_str());
    assert_eq!(ballot.message(), message.as_bytes());
}

/// Reads a statement of the expected members, and refuses it in every other form.
fn check_form<T: StatementContent>(content: T, expected: &[&str]) {
    let text = Statement::new(content).expect("a statement");
    let text = text.as_str();
    let object: Map<String, Value> = serde_json::from_str(text).unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), expected);
    let read = |text: &str| Statement::<T>::parse(text).is_ok();
    let write = |object: &Map<String, Value>| Value::from(object.clone()).to_string();
    assert!(read(text) && write(&object) == text);
    for member in expected {
        let mut without = object.clone();
        without.remove(*member);
        assert!(!read(&write(&without)), "without {member}");
        let mut empty = object.clone();
        empty.insert((*member).to_owned(), Value::Null);
        assert!(!read(&write(&empty)), "{member} is null");
        let value = &object[*member];
        let twice = text.replacen('{', &format!("{{\"{member}\":{value},"), 1);
        assert!(!read(&twice), "{member} twice");
    }
    // Nobody brings a key of its own.
    for unknown in ["key", "zzz"] {
        let mut more = object.clone();
        more.insert(unknown.to_owned(), Value::from(1));
        assert!(!read(&write(&more)), "with {unknown}");
    }
    assert!(!read(&text.replacen(':', ": ", 1)));
    assert!(!read(&format!("{text}\n")));
}

#[test]
fn a_statement_has_one_form() {
    let mut assembly = Assembly::of(&[1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let ballot = assembly.ballot(0, proposal, Approve);
    let ballot_members = [
        "cast_at",
        "decision",
        "ledger",
        "proposal_hash",
        "proposal_id",
        "rationale",
        "vote_id",
        "voter",
    ];
    check_form(ballot.clone(), &ballot_members);
    for (decision, name) in [
        (Approve, "approve"),
        (Reject, "reject"),
        (Abstain, "abstain"),
    ] {
        assert_eq!(serde_json::to_value(decision).unwrap(), name);
    }
    assert!(serde_json::from_str::<Decision>("\"veto\"").is_err());
    let proposal_members = [
        "action",
        "created_at",
        "description",
        "ledger",
        "parameters",
        "proposal_id",
        "proposer",
        "title",
    ];
    check_form(assembly.draft(0, revoke_model("triage")), &proposal_members);
    let withdrawal_members = [
        "ledger",
        "proposal_hash",
        "proposal_id",
        "proposer",
        "withdrawn_at",
    ];
    check_form(assembly.withdrawal(proposal), &withdrawal_members);
    let constitution = founding(&[1, 1], Policy::default(), Signatures::StandIn);
    let founding_members = ["created_at", "founders", "name", "nonce", "policy"];
    check_form(constitution, &founding_members);
    let (signer, new) = assembly.new_key(assembly.id(0));
    check_form(assembly.rotation(new), &["ledger", "new_key", "rotated_at"]);
    let possession = KeyPossession::new(signer.key().clone(), "a key").unwrap();
    check_form(possession, &["algorithm", "did", "name", "public_key"]);
    // What is optional is absent or has a value.
    let terms = |more: &str| format!(r#"{{{more}"scope":{{}},"subject":"urn:model:triage"}}"#);
    assert!(serde_json::from_str::<GrantTerms>(&terms("")).is_ok());
    let null = terms("\"expires_at\":null,");
    assert!(serde_json::from_str::<GrantTerms>(&null).is_err());
}

// 03 Genesis

#[test]
fn a_ledger_begins_with_what_its_founders_signed() {
    let policy = Policy::uniform();
    let signed = founding(&[1, 2, 3], policy.clone(), Signatures::StandIn);
    let statement = Statement::new(signed).unwrap();
    let id = Digest::of(statement.as_str().as_bytes());
    let assembly = Assembly::under(policy.clone(), &[1, 2, 3]);
    let state = assembly.state();
    assert_eq!(state.ledger().to_string(), id.to_string());
    let lines: Vec<Value> = assembly
        .bytes()
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let operations: Vec<_> = lines.iter().map(|line| &line["operation"]).collect();
    assert_eq!(
        operations,
        ["ledger_created", "node_added", "node_added", "node_added"]
    );
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(line["batch"], serde_json::json!([place + 1, 4]));
        assert_eq!(line["timestamp"], lines[0]["timestamp"]);
    }
    let origin = lines[3]["entry_hash"].as_str().unwrap();
    assert_eq!(state.identity().origin.to_string(), origin);
    assert_eq!((state.epoch(), state.policy()), (0, &policy));
    for (index, (node, registered)) in state.registry().iter().enumerate() {
        assert_eq!(node, assembly.id(index));
        assert!(registered.is_active());
        // A fingerprint is the hash of the raw key.
        let key = registered.key();
        assert_eq!(
            key.fingerprint().to_string(),
            Digest::of(key.as_bytes()).to_string()
        );
    }
}

#[test]
fn of_several_faults_of_a_founding_the_first_is_named() {
    let half = Weight::new(1 << 52).unwrap();
    type Step = fn(&mut Founding);
    let steps: [(Step, &str); 4] = [
        (|it| it.founders.clear(), "genesis.no-founders"),
        (
            |it| it.founders[1].name = it.founders[0].name.clone(),
            "genesis.duplicate-founder",
        ),
        (|_| (), "weight.overflow"),
        (|it| it.founders[0].weight = Weight::ONE, "policy.invalid"),
    ];
    let code = |genesis: &Genesis| {
        let context = Context {
            at: genesis.statement.content().created_at,
            verifier: &StandInVerifier,
        };
        found(genesis, &context).expect_err("it is refused").code()
    };
    for (step, expected) in steps {
        let mut statement = founding(&[1, 1], Policy::default(), Signatures::StandIn);
        statement.policy.max_open_proposals = 0;
        statement.founders[0].weight = half;
        statement.founders[1].weight = half;
        step(&mut statement);
        let mut genesis = genesis(statement, Signatures::StandIn);
        genesis.founders.truncate(1);
        assert_eq!(code(&genesis), expected);
    }
    let statement = founding(&[1, 1], Policy::default(), Signatures::StandIn);
    let mut genesis = genesis(statement, Signatures::StandIn);
    let first = genesis.founders[0].clone();
    genesis.founders = vec![genesis.founders[1].clone()];
    assert_eq!(code(&genesis), "genesis.founders-incomplete");
    // The first founder's signature comes before the second one's key.
    let bad = (first.0.clone(), Signature::new(&[0; 32]).unwrap());
    genesis.founders = vec![bad, first];
    assert_eq!(code(&genesis), "genesis.signature");
}

// 04 Proposals

#[test]
fn of_several_faults_of_a_proposal_the_first_is_named() {
    let policy = Policy {
        max_open_proposals: 1,
        ..Policy::default()
    };
    let mut assembly = Assembly::under(policy, &[1; 4]);
    let open = assembly.propose(0, authorize_model("triage"));
    assembly.accuse(3, open);
    let _ = assembly.newcomer(1);
    // The fourth is suspended, the fifth was never a node; the first has one open proposal.
    for (ledger, by, signer, id, large, code) in [
        (elsewhere(), 4, 0, open, true, "statement.wrong-ledger"),
        (assembly.state().ledger(), 4, 0, open, true, "node.unknown"),
        (
            assembly.state().ledger(),
            3,
            0,
            open,
            true,
            "signature.invalid",
        ),
        (
            assembly.state().ledger(),
            3,
            3,
            open,
            true,
            "node.not-active",
        ),
        (
            assembly.state().ledger(),
            0,
            0,
            open,
            true,
            "proposal.duplicate-id",
        ),
        (
            assembly.state().ledger(),
            0,
            0,
            nowhere(),
            true,
            "proposal.parameters-too-large",
        ),
        (
            assembly.state().ledger(),
            0,
            0,
            nowhere(),
            false,
            "proposal.too-many-open",
        ),
        (
            assembly.state().ledger(),
            1,
            1,
            nowhere(),
            false,
            "grant.unknown",
        ),
    ] {
        let mut draft = assembly.draft(by, actions::revoke_grant("triage", nowhere()));
        draft.ledger = ledger;
        draft.proposal_id = id;
        if large {
            let text = "x".repeat(64 * 1024);
            draft.parameters.insert("text".into(), text.into());
        }
        let command = Command::Propose(assembly.sign(signer, draft));
        assert_eq!(refused(&mut assembly, &command), code);
    }
}

#[test]
fn a_proposal_counts_until_it_is_closed_and_not_while_queued() {
    let policy = Policy {
        max_open_proposals: 1,
        ..timelocked()
    };
    let mut assembly = Assembly::under(policy, &[1, 1, 1]);
    let queued = assembly.pass([0, 1], authorize_model("triage"));
    assert_eq!(assembly.status(queued), Status::Queued);
    let open = assembly.propose(0, authorize_model("other"));
    assembly.wait_until(later(assembly.proposal(open).deadline(), DAY));
    let draft = assembly.draft(0, authorize_model("another"));
    let next = Command::Propose(assembly.sign(0, draft));
    assert_eq!(refused(&mut assembly, &next), "proposal.too-many-open");
    assembly.close(open);
    assembly.accept(&next);
    replays(&assembly);
}

#[test]
fn the_proposal_hash_is_the_hash_of_its_entry() {
    let mut assembly = Assembly::of(&[1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let last = assembly
        .bytes()
        .split_inclusive(|byte| *byte == b'\n')
        .next_back();
    let line: Value = serde_json::from_slice(last.unwrap()).unwrap();
    assert_eq!(line["operation"], "proposal_created");
    let hash = assembly.proposal(proposal).hash().to_string();
    assert_eq!(line["entry_hash"], hash);
}

#[test]
fn statuses_have_their_names() {
    let names: Vec<&str> = Status::ALL.iter().map(|status| status.name()).collect();
    let text = document("04-proposals.md");
    let (_, rule) = text.split_once("**PROP-13**").unwrap();
    let (rule, _) = rule.split_once("\n\n").unwrap();
    let documented: Vec<&str> = rule.split('`').skip(1).step_by(2).collect();
    assert_eq!(names, documented);
    let open = Status::ALL.iter().filter(|status| !status.is_final());
    let open: Vec<&str> = open.map(|status| status.name()).collect();
    assert_eq!(open, ["voting", "passed", "queued"]);
}

/// The reason for which the last of these events says that a decision failed.
#[track_caller]
fn failure(events: &[Event]) -> FailureReason {
    let Some(Event::ProposalFailed(failed)) = events.last() else {
        panic!("{events:?}");
    };
    failed.reason
}

#[test]
fn what_became_impossible_fails_with_its_reason() {
    // Two nodes are to have the same key.
    let mut assembly = Assembly::of(&[1; 5]);
    let (_, new) = assembly.new_key(assembly.id(3));
    let mut same = new.clone();
    same.node = assembly.id(4);
    let second = assembly.propose(0, Action::ReplaceKey(same));
    assembly.pass(0..4, Action::ReplaceKey(new));
    assembly.vote_all(0..3, second, Approve);
    let events = assembly.vote(4, second, Approve);
    assert_eq!(failure(&events), FailureReason::AlreadyRegistered);
    replays(&assembly);

    // A node that is to get another key is suspended, one to be reinstated is so already.
    let mut assembly = Assembly::of(&[1; 5]);
    let (_, new) = assembly.new_key(assembly.id(4));
    let replacement = assembly.propose(0, Action::ReplaceKey(new));
    let other = assembly.propose(1, authorize_model("triage"));
    assembly.accuse(4, other);
    assembly.vote_all(0..3, replacement, Approve);
    let events = assembly.vote(3, replacement, Approve);
    assert_eq!(failure(&events), FailureReason::NotActive);
    let (_, new) = assembly.new_key(assembly.id(4));
    let late = assembly.propose(0, Action::ReinstateNode(new));
    let (_, new) = assembly.new_key(assembly.id(4));
    assembly.pass(0..4, Action::ReinstateNode(new));
    assembly.vote_all(0..2, late, Approve);
    let events = assembly.vote(2, late, Approve);
    assert_eq!(failure(&events), FailureReason::NotSuspended);
    replays(&assembly);

    // Somebody heavy takes the place of a node to be reinstated.
    let mut assembly = Assembly::of(&[1; 5]);
    let other = assembly.propose(1, authorize_model("triage"));
    assembly.accuse(4, other);
    let heavy = assembly.newcomer((1 << 53) - 1 - 4);
    let (_, new) = assembly.new_key(assembly.id(4));
    let reinstatement = assembly.propose(0, Action::ReinstateNode(new));
    assembly.pass(0..4, Action::AddNode(heavy));
    assembly.vote_all(0..2, reinstatement, Approve);
    let events = assembly.vote(2, reinstatement, Approve);
    assert_eq!(failure(&events), FailureReason::WeightOverflow);
    replays(&assembly);

    // The end of a freeze comes before its decision.
    let mut assembly = Assembly::of(&[1; 3]);
    let freeze = assembly.propose(
        0,
        Action::EmergencyFreeze {
            target: FreezeTarget::Everything,
            until: later(assembly.now(), HOUR),
        },
    );
    assembly.vote(0, freeze, Approve);
    assembly.wait(HOUR);
    let events = assembly.vote(1, freeze, Approve);
    assert_eq!(failure(&events), FailureReason::FreezeOver);
    replays(&assembly);

    // A thousand grants are there when one more is to be executed.
    let mut assembly = Assembly::under(timelocked(), &[1]);
    let queued = assembly.pass([0], authorize_model("triage"));
    let state = (0..1_000_u128).fold(assembly.state().clone(), |state, number| {
        let grant = AuthorizationGranted {
            grant_id: ProposalId::from_uuid(Uuid::from_u128(1 << 100 | number)),
            kind: AuthorizationKind::Model,
            parent: None,
            terms: GrantTerms::unrestricted(actions::model("triage")),
        };
        after(&state, grant.into())
    });
    let context = Context {
        at: later(assembly.now(), HOUR),
        verifier: &StandInVerifier,
    };
    let events = decide(&state, &Command::Execute(queued), &context).unwrap();
    assert_eq!(failure(&events), FailureReason::TooManyGrants);
}

#[test]
fn of_several_faults_of_a_withdrawal_the_first_is_named() {
    let mut assembly = Assembly::of(&[1; 4]);
    let closed = assembly.propose(0, authorize_model("closed"));
    assembly.withdraw(closed);
    let voted = assembly.propose(0, authorize_model("voted"));
    assembly.vote(1, voted, Abstain);
    let late = assembly.propose(0, authorize_model("late"));
    assembly.wait_until(assembly.proposal(late).deadline());
    let wrong = Digest::of(b"another history");
    let here = assembly.state().ledger();
    for (ledger, unknown, by, hash, signer, of, code) in [
        (
            elsewhere(),
            true,
            1,
            Some(wrong),
            2,
            closed,
            "statement.wrong-ledger",
        ),
        (here, true, 1, Some(wrong), 2, closed, "proposal.unknown"),
        (
            here,
            false,
            1,
            Some(wrong),
            2,
            closed,
            "withdraw.not-proposer",
        ),
        (
            here,
            false,
            0,
            Some(wrong),
            2,
            closed,
            "withdraw.hash-mismatch",
        ),
        (here, false, 0, None, 2, closed, "signature.invalid"),
        (here, false, 0, None, 0, closed, "proposal.closed"),
        (here, false, 0, None, 0, voted, "withdraw.ballots-cast"),
        (here, false, 0, None, 0, late, "withdraw.after-deadline"),
    ] {
        let mut withdrawal = assembly.withdrawal(of);
        withdrawal.ledger = ledger;
        withdrawal.proposer = assembly.id(by);
        if unknown {
            withdrawal.proposal_id = nowhere();
        }
        if let Some(hash) = hash {
            withdrawal.proposal_hash = hash;
        }
        let command = Command::Withdraw(assembly.sign(signer, withdrawal));
        assert_eq!(refused(&mut assembly, &command), code);
    }
}

#[test]
fn a_suspended_or_removed_proposer_may_withdraw() {
    let mut assembly = Assembly::of(&[1; 6]);
    let by_suspended = assembly.propose(5, authorize_model("one"));
    let by_removed = assembly.propose(4, authorize_model("two"));
    let other = assembly.propose(0, authorize_model("three"));
    assembly.accuse(5, other);
    assembly.pass(0..5, remove_node(assembly.id(4)));
    for proposal in [by_suspended, by_removed] {
        assembly.withdraw(proposal);
        assert_eq!(assembly.status(proposal), Status::Withdrawn);
    }
    replays(&assembly);
}

// 05 Ballots, 07 Byzantine behaviour

#[test]
fn what_statements_claim_of_their_time_decides_nothing() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let (first, last) = (Timestamp::from_micros(0).unwrap(), Timestamp::MAX);
    for claimed in [first, last] {
        let mut draft = assembly.draft(0, authorize_model("triage"));
        draft.created_at = claimed;
        // Nor does a rule look into the parameters.
        draft.parameters.insert("deadline".into(), "now".into());
        let proposal = draft.proposal_id;
        assembly.accept(&Command::Propose(assembly.sign(0, draft)));
        let opened = assembly.proposal(proposal);
        assert_eq!(opened.opened_at(), assembly.now());
        assert_eq!(opened.deadline(), later(assembly.now(), DAY));
        // A ballot may be older than its proposal.
        let mut ballot = assembly.ballot(1, proposal, Approve);
        ballot.cast_at = first;
        assembly.accept(&Command::Vote(assembly.sign(1, ballot)));
        let mut withdrawal = assembly.withdrawal(proposal);
        withdrawal.withdrawn_at = claimed;
        let command = Command::Withdraw(assembly.sign(0, withdrawal));
        assert_eq!(refused(&mut assembly, &command), "withdraw.ballots-cast");
    }
    let open = assembly.propose(0, authorize_model("other"));
    let mut withdrawal = assembly.withdrawal(open);
    withdrawal.withdrawn_at = last;
    assembly.accept(&Command::Withdraw(assembly.sign(0, withdrawal)));
    replays(&assembly);
}

#[test]
fn evidence_is_taken_until_its_window_is_over() {
    let month = 30 * DAY;
    let mut assembly = Assembly::of(&[1; 4]);
    let proposal = assembly.pass(0..3, authorize_model("triage"));
    let unending = assembly.propose(0, authorize_model("other"));
    assembly.vote(3, unending, Approve);
    assembly.wait(month - 1);
    let now = assembly.now();
    let ballot = assembly.signed_ballot(0, proposal, Reject);
    let command = Command::Vote(ballot);
    let early = assembly.node().preview(&command, now).unwrap();
    assert!(matches!(early[0], Event::ByzantineDetected(_)));
    assembly.wait(1);
    assert_eq!(refused(&mut assembly, &command), "evidence.window-over");
    // Nothing ends the window of what has not ended.
    assembly.wait(month);
    let events = assembly.vote(3, unending, Reject);
    assert!(matches!(events[0], Event::ByzantineDetected(_)));
    replays(&assembly);
}

/// A signature is twenty times as long as what it signs. It goes with the first proposal that is opened
/// after the last moment at which it could have served; what the ballot said stays.
#[test]
fn signatures_are_kept_as_long_as_evidence_is_taken() {
    let month = 30 * DAY;
    let mut assembly = Assembly::of(&[1; 4]);
    let ended = assembly.pass(0..3, authorize_model("triage"));
    let unending = assembly.propose(0, authorize_model("other"));
    let first = assembly.vote(3, unending, Approve);
    let kept = |assembly: &Assembly, proposal| {
        let cast = |member| {
            assembly
                .proposal(proposal)
                .member(assembly.id(member))?
                .ballot()
        };
        (0..4)
            .filter_map(cast)
            .filter(|ballot| ballot.signed().is_some())
            .count()
    };
    let said = |assembly: &Assembly| {
        let cast = assembly.proposal(ended).electorate();
        cast.map(|(node, member)| (node, member.ballot().map(|it| it.content().clone())))
            .collect::<Vec<_>>()
    };
    let before = said(&assembly);
    for (wait, of_ended) in [(month - 2, 3), (1, 3), (1, 0), (month, 0)] {
        assembly.wait(wait);
        let opened = assembly.propose(0, authorize_model("next"));
        assembly.withdraw(opened);
        assert_eq!(kept(&assembly, ended), of_ended);
        assert_eq!(kept(&assembly, unending), 1);
        assert_eq!(said(&assembly), before);
    }
    let contradiction = Command::Vote(assembly.signed_ballot(0, ended, Reject));
    assert_eq!(
        refused(&mut assembly, &contradiction),
        "evidence.window-over"
    );
    assert!(assembly.vote(0, ended, Approve).is_empty());
    let found = assembly.vote(3, unending, Reject);
    let Event::ByzantineDetected(found) = &found[0] else {
        panic!("{found:?}");
    };
    assert!([&found.first, &found.second].contains(&signed(&first)));
    replays(&assembly);
}

fn signed(events: &[Event]) -> &Signed<Ballot> {
    match &events[0] {
        Event::VoteCast(signed) => signed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_several_faults_of_evidence_the_first_decides() {
    let mut assembly = Assembly::of(&[1; 5]);
    let _ = assembly.newcomer(1);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.accuse(3, proposal);
    assembly.withdraw(proposal);
    assembly.wait(31 * DAY);
    let wrong = Digest::of(b"another history");
    let here = assembly.state().ledger();
    // An outsider, one already accused and another member, long after the end.
    for (ledger, same, unknown, hash, voter, signer, code) in [
        (
            elsewhere(),
            true,
            true,
            wrong,
            5,
            0,
            "statement.wrong-ledger",
        ),
        (here, true, true, wrong, 5, 0, "evidence.not-contradictory"),
        (here, false, true, wrong, 5, 0, "proposal.unknown"),
        (here, false, false, wrong, 5, 0, "evidence.hash-mismatch"),
        (
            here,
            false,
            false,
            *assembly.proposal(proposal).hash(),
            5,
            0,
            "evidence.not-in-electorate",
        ),
        (
            here,
            false,
            false,
            *assembly.proposal(proposal).hash(),
            3,
            0,
            "evidence.signature",
        ),
        (
            here,
            false,
            false,
            *assembly.proposal(proposal).hash(),
            3,
            3,
            "",
        ),
        (
            here,
            false,
            false,
            *assembly.proposal(proposal).hash(),
            4,
            4,
            "evidence.window-over",
        ),
    ] {
        let mut ballot = assembly.ballot(voter, proposal, Approve);
        ballot.ledger = ledger;
        ballot.proposal_hash = hash;
        if unknown {
            ballot.proposal_id = nowhere();
        }
        let mut other = ballot.clone();
        if !same {
            other.decision = Reject;
        }
        let evidence = Equivocation {
            first: assembly.sign(signer, ballot),
            second: assembly.sign(signer, other),
        };
        let command = Command::SubmitEvidence(evidence);
        let found = assembly.submit(&command);
        match found {
            Ok(recorded) => assert_eq!((recorded.len(), code), (0, "")),
            Err(rejection) => assert_eq!(rejection.code(), code),
        }
    }
}

#[test]
fn evidence_against_a_removed_node_moves_its_open_ballots() {
    let policy = Policy {
        early_decision: false,
        ..Policy::default()
    };
    let mut assembly = Assembly::under(policy, &[1; 5]);
    let removal = assembly.propose(0, remove_node(assembly.id(4)));
    assembly.vote_all(0..4, removal, Approve);
    assembly.wait(HOUR);
    let contradicted = assembly.propose(0, authorize_model("one"));
    let voted = assembly.propose(0, authorize_model("two"));
    assembly.vote(4, voted, Approve);
    let evidence = assembly.equivocation(4, contradicted);
    assembly.close_at_deadline(removal);
    let standing = |assembly: &Assembly| {
        let member = assembly.proposal(voted).member(assembly.id(4));
        member.map(|member| member.standing())
    };
    assert_eq!(standing(&assembly), Some(Standing::Approve));
    let events = assembly.accept(&Command::SubmitEvidence(evidence));
    let [Event::ByzantineDetected(detected)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert!(!detected.suspended, "it is no node any more");
    assert_eq!(standing(&assembly), Some(Standing::Byzantine));
    replays(&assembly);
}

#[test]
fn a_rotation_leaves_recorded_ballots_and_the_node_as_they_are() {
    let mut assembly = Assembly::of(&[1, 2, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.vote(1, proposal, Reject);
    let node = assembly.id(1);
    let described = |assembly: &Assembly| {
        let found = assembly.state().registry().get(node).unwrap();
        (found.name().clone(), found.weight(), found.status())
    };
    let before = described(&assembly);
    let (_, new) = assembly.new_key(node);
    let rotation = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(rotation));
    let member = assembly.proposal(proposal).member(node).unwrap();
    assert_eq!(member.standing(), Standing::Reject);
    assert_eq!(described(&assembly), before);
    replays(&assembly);
}

// 06 Tally

#[test]
fn an_early_rejection_names_the_first_condition_out_of_reach() {
    for (votes, reason) in [
        (&[Reject, Reject][..], Reason::Approval),
        (&[Abstain, Abstain][..], Reason::Absolute),
    ] {
        let mut assembly = Assembly::of(&[1; 4]);
        let proposal = assembly.propose(0, authorize_model("triage"));
        let mut events = Vec::new();
        for (by, decision) in votes.iter().enumerate() {
            events = assembly.vote(by, proposal, *decision);
        }
        let Some(Event::ConsensusReached(consensus)) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(
            (consensus.decision, consensus.reason),
            (Verdict::Rejected, reason)
        );
    }
    // Everybody abstains, where only approval counts.
    let mut assembly = Assembly::under(Policy::uniform(), &[1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let events = assembly.vote(0, proposal, Abstain);
    let Some(Event::ConsensusReached(consensus)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(consensus.reason, Reason::NoApproval);
    // Without enough members left there is no quorum: rejected, where the deadline says expired.
    let mut assembly = Assembly::under(Policy::uniform(), &[1; 4]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let other = assembly.propose(0, authorize_model("other"));
    assembly.accuse(2, other);
    let events = assembly.accuse(3, other);
    let Some(Event::ConsensusReached(consensus)) = events
        .iter()
        .find(|event| matches!(event, Event::ConsensusReached(it) if it.proposal_id == proposal))
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (consensus.decision, consensus.reason),
        (Verdict::Rejected, Reason::Quorum)
    );
}

#[test]
fn the_policy_is_written_whole_and_the_default_is_the_documented_one() {
    let written = serde_json::to_value(Policy::default()).unwrap();
    let documented = examples(&document("06-tally.md"), "TALLY-13");
    assert_eq!(documented, std::slice::from_ref(&written));
    let mut uniform = written.clone();
    uniform["kinds"] = Value::from(Map::new());
    assert_eq!(serde_json::to_value(Policy::uniform()).unwrap(), uniform);
    let is_policy = |value: &Value| serde_json::from_str::<Policy>(&value.to_string()).is_ok();
    assert!(is_policy(&written));
    for member in members(&written) {
        let mut without = written.clone();
        without.as_object_mut().unwrap().remove(member);
        assert!(!is_policy(&without), "without {member}");
    }
    for member in members(&written["default"]) {
        let mut without = written.clone();
        without["default"].as_object_mut().unwrap().remove(member);
        assert!(!is_policy(&without), "without default.{member}");
    }
}

// 08 Membership

#[test]
fn the_registry_keeps_every_node_in_the_order_of_joining() {
    let mut assembly = Assembly::of(&[1; 4]);
    let new = assembly.newcomer(1);
    assembly.pass(0..4, Action::AddNode(new));
    let open = assembly.propose(0, authorize_model("triage"));
    assembly.accuse(2, open);
    assembly.pass([0, 3, 4, 1], remove_node(assembly.id(1)));
    let registry = assembly.state().registry();
    let found: Vec<_> = registry
        .iter()
        .map(|(id, node)| (id, node.status()))
        .collect();
    let statuses = [
        NodeStatus::Active,
        NodeStatus::Removed,
        NodeStatus::Suspended,
        NodeStatus::Active,
        NodeStatus::Active,
    ];
    let ids = (0..5).map(|index| assembly.id(index));
    assert_eq!(found, ids.zip(statuses).collect::<Vec<_>>());
    let next = assembly.propose(0, authorize_model("next"));
    let electorate: Vec<_> = assembly
        .proposal(next)
        .electorate()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(electorate, [0, 3, 4].map(|index| assembly.id(index)));
}

#[test]
fn of_several_faults_of_a_newcomer_the_first_is_named() {
    let mut assembly = Assembly::of(&[(1 << 53) - 2, 1]);
    let good = assembly.newcomer(1);
    let taken: Name = "node-0".parse().unwrap();
    type Step<'a> = &'a dyn Fn(&mut NewNode);
    let steps: [(Step, &str); 4] = [
        (&|new| new.node = assembly.id(1), "node.id-mismatch"),
        (
            &|new| {
                new.key = assembly.signer(0).key().clone();
                new.node = assembly.id(0);
            },
            "node.already-registered",
        ),
        (&|_| (), "node.name-taken"),
        (&|new| new.name = good.name.clone(), "weight.overflow"),
    ];
    let mut changed = Vec::new();
    for (step, code) in steps {
        let mut new = good.clone();
        new.name = taken.clone();
        new.possession = Signature::new(&[0; 32]).unwrap();
        step(&mut new);
        changed.push((new, code));
    }
    for (new, code) in changed {
        let draft = assembly.draft(0, Action::AddNode(new));
        let command = Command::Propose(assembly.sign(0, draft));
        assert_eq!(refused(&mut assembly, &command), code);
    }
}

#[test]
fn a_suspended_node_keeps_its_name_and_can_be_removed() {
    let mut assembly = Assembly::of(&[1; 4]);
    let open = assembly.propose(0, authorize_model("triage"));
    assembly.accuse(3, open);
    let mut new = assembly.newcomer(1);
    let node = assembly.state().registry().get(assembly.id(3)).unwrap();
    new.name = node.name().clone();
    let draft = assembly.draft(0, Action::AddNode(new));
    let command = Command::Propose(assembly.sign(0, draft));
    assert_eq!(refused(&mut assembly, &command), "node.name-taken");
    assembly.wait(365 * DAY);
    let status = |assembly: &Assembly| {
        let node = assembly.state().registry().get(assembly.id(3));
        node.unwrap().status()
    };
    assert_eq!(status(&assembly), NodeStatus::Suspended);
    assembly.pass(0..3, remove_node(assembly.id(3)));
    assert_eq!(status(&assembly), NodeStatus::Removed);
    replays(&assembly);
}

#[test]
fn each_change_of_members_keys_and_policy_advances_the_epoch_by_one() {
    let mut assembly = Assembly::of(&[1; 5]);
    let mut expected = 0;
    let mut advanced = |assembly: &Assembly, by: u64| {
        expected += by;
        assert_eq!(assembly.state().epoch(), expected);
    };
    assembly.pass(0..3, authorize_model("triage"));
    advanced(&assembly, 0);
    let new = assembly.newcomer(1);
    assembly.pass(0..4, Action::AddNode(new));
    advanced(&assembly, 1);
    let (_, new) = assembly.new_key(assembly.id(1));
    let rotation = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(rotation));
    advanced(&assembly, 1);
    let (_, new) = assembly.new_key(assembly.id(5));
    assembly.pass(0..5, Action::ReplaceKey(new));
    advanced(&assembly, 1);
    let open = assembly.propose(0, authorize_model("other"));
    assembly.accuse(4, open);
    advanced(&assembly, 1);
    let (_, new) = assembly.new_key(assembly.id(4));
    assembly.pass(0..4, Action::ReinstateNode(new));
    advanced(&assembly, 1);
    assembly.pass(0..4, remove_node(assembly.id(5)));
    advanced(&assembly, 0);
    replays(&assembly);
    // Four of six are no more than two thirds: the fifth decides.
    let removal = assembly
        .state()
        .proposals()
        .undecided()
        .last()
        .unwrap()
        .id();
    assembly.vote(5, removal, Approve);
    advanced(&assembly, 1);
    assembly.pass(0..4, update_policy(Policy::uniform()));
    advanced(&assembly, 1);
    replays(&assembly);
}

// 09 Authorization

fn check(assembly: &Assembly, name: &str, context: &[(&str, &str)]) -> CheckOutcome {
    let mut circumstances = CheckContext::default();
    for (key, value) in context {
        circumstances.set(key, value).unwrap();
    }
    let grants = assembly.state().authorizations();
    let (kind, subject) = (AuthorizationKind::Model, actions::model(name));
    grants.check(kind, &subject, &circumstances, assembly.now())
}

fn granting(pairs: &[(&str, &str)]) -> GrantTerms {
    let mut scope = Scope::unrestricted();
    for (key, value) in pairs {
        scope.allow(key, value).unwrap();
    }
    GrantTerms {
        scope,
        ..GrantTerms::unrestricted(actions::model("triage"))
    }
}

#[test]
fn grants_add_up_and_their_smallest_limits_bind() {
    let mut assembly = Assembly::of(&[1]);
    let mut grant = |pairs: &[(&str, &str)]| -> GrantId {
        assembly.pass([0], Action::AuthorizeModel(granting(pairs)))
    };
    let wide = grant(&[("max_rate_qps", "50"), ("max_tokens", "7")]);
    let elsewhere = grant(&[("environment", "test"), ("max_rate_qps", "1")]);
    let narrow = grant(&[("environment", "prod"), ("max_rate_qps", "10")]);
    let outcome = check(&assembly, "triage", &[("environment", "prod")]);
    assert_eq!(outcome.grants, [wide, narrow]);
    let limits: Vec<_> = outcome
        .obligations
        .iter()
        .map(|(key, limit)| (key.as_str(), *limit))
        .collect();
    assert_eq!(limits, [("max_rate_qps", 10), ("max_tokens", 7)]);
    let outcome = check(&assembly, "triage", &[("environment", "test")]);
    assert_eq!(outcome.grants, [wide, elsewhere]);
    assembly.pass([0], actions::revoke_grant("triage", wide));
    let denied = check(&assembly, "triage", &[]);
    assert_eq!(denied.reason, CheckReason::OutOfScope);
    assert_eq!(denied.grants, [elsewhere, narrow]);
    assert!(denied.obligations.is_empty());
    replays(&assembly);
}

#[test]
fn no_rule_looks_at_an_artifact_digest() {
    let mut assembly = Assembly::of(&[1]);
    let terms = GrantTerms {
        artifact_digest: Some(Digest::of(b"an artifact")),
        ..granting(&[])
    };
    let grant = assembly.pass([0], Action::AuthorizeModel(terms));
    assert!(check(&assembly, "triage", &[]).is_allowed());
    let events = assembly.predict("triage");
    let [Event::PredictionRecorded(recorded)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(recorded.verdict, PredictionVerdict::Granted(grant));
}

#[test]
fn scopes_and_contexts_are_bounded() {
    let longest = ("k".repeat(64), "v".repeat(256));
    let longer = ("k".repeat(65), "v".repeat(257));
    for (key, value, accepted) in [
        (longest.0.as_str(), longest.1.as_str(), true),
        (longer.0.as_str(), "v", false),
        ("k", longer.1.as_str(), false),
        ("k", "", false),
        ("", "v", false),
        ("K", "v", false),
        ("k", "\u{7f}", false),
        ("k", " ", true),
    ] {
        let allowed = Scope::unrestricted().allow(key, value).is_ok();
        let set = CheckContext::default().set(key, value).is_ok();
        assert_eq!((allowed, set), (accepted, accepted), "{key:?} {value:?}");
    }
    let (mut scope, mut context) = (Scope::unrestricted(), CheckContext::default());
    for number in 0..64 {
        let key = format!("k{number}");
        scope.allow(&key, "v").unwrap();
        context.set(&key, "v").unwrap();
    }
    assert!(scope.allow("k64", "v").is_err() && scope.allow("k0", "w").is_ok());
    assert!(context.set("k64", "v").is_err());
    let largest = "9007199254740991";
    assert!(Scope::unrestricted().allow("max_x", largest).is_ok());
    assert!(
        Scope::unrestricted()
            .allow("max_x", "9007199254740992")
            .is_err()
    );
}

#[test]
fn a_delegated_grant_is_found_by_its_own_kind_alone() {
    let mut assembly = Assembly::of(&[1]);
    let parent = assembly.pass([0], actions::authorize_agent("root"));
    let terms = GrantTerms::unrestricted(actions::agent("child"));
    assembly.pass([0], Action::Delegation(DelegationTerms { parent, terms }));
    let grants = assembly.state().authorizations();
    for (kind, reason) in [
        (AuthorizationKind::Delegation, CheckReason::Granted),
        (AuthorizationKind::Agent, CheckReason::NoGrant),
        (AuthorizationKind::Model, CheckReason::NoGrant),
    ] {
        let (child, nothing) = (actions::agent("child"), CheckContext::default());
        let found = grants.check(kind, &child, &nothing, assembly.now());
        assert_eq!(found.reason, reason, "{kind}");
    }
}

#[test]
fn a_revocation_ends_what_has_expired_and_what_is_to_come() {
    let mut assembly = Assembly::of(&[1]);
    let now = assembly.now();
    let mut past = granting(&[]);
    past.expires_at = Some(later(now, HOUR));
    let mut future = granting(&[]);
    future.not_before = Some(later(now, 365 * DAY));
    let past = assembly.pass([0], Action::AuthorizeModel(past));
    let future = assembly.pass([0], Action::AuthorizeModel(future));
    assembly.wait(2 * HOUR);
    for expected in [vec![past, future], vec![]] {
        let revocation = assembly.propose(0, revoke_model("triage"));
        let events = assembly.vote(0, revocation, Approve);
        let Some(Event::AuthorizationRevoked(revoked)) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(revoked.grant_ids, expected);
    }
    replays(&assembly);
}

#[test]
fn a_freeze_of_everything_is_lifted_as_a_whole() {
    let mut assembly = Assembly::of(&[1]);
    let until = later(assembly.now(), HOUR);
    let target = FreezeTarget::Everything;
    assembly.pass([0], Action::EmergencyFreeze { target, until });
    let target = FreezeTarget::Subject(actions::model("triage"));
    let draft = assembly.draft(0, Action::LiftFreeze { target });
    let command = Command::Propose(assembly.sign(0, draft));
    assert_eq!(refused(&mut assembly, &command), "freeze.not-frozen");
    let target = FreezeTarget::Everything;
    let lift = assembly.pass([0], Action::LiftFreeze { target });
    assert_eq!(assembly.status(lift), Status::Executed);
    assert_eq!(check(&assembly, "triage", &[]).reason, CheckReason::NoGrant);
    replays(&assembly);
}

// 10 Predictions

#[test]
fn a_prediction_leaves_out_what_is_empty_and_needs_the_rest() {
    let written = serde_json::to_value(prediction("triage")).unwrap();
    let required = ["input_digest", "model", "model_version", "output_summary"];
    assert_eq!(members(&written), BTreeSet::from(required));
    let is_prediction = |value: &Value| {
        let text = value.to_string();
        serde_json::from_str::<Prediction>(&text).is_ok()
    };
    assert!(is_prediction(&written));
    for member in required {
        let mut without = written.clone();
        without.as_object_mut().unwrap().remove(member);
        assert!(!is_prediction(&without), "without {member}");
    }
    for example in examples(&document("10-predictions.md"), "PRED-1") {
        assert!(is_prediction(&example));
    }
}

#[test]
fn output_summaries_are_bounded() {
    let summary = |figures: usize, number: &str| {
        let figures: Vec<_> = (0..figures)
            .map(|place| format!("\"f{place:03}\":{number}"))
            .collect();
        let text = format!("{{{}}}", figures.join(","));
        serde_json::from_str::<OutputSummary>(&text).is_ok()
    };
    assert!(summary(256, "1"));
    assert!(!summary(257, "1"));
    assert!(summary(1, &"1".repeat(64)));
    assert!(!summary(1, &"1".repeat(65)));
}

// 11 Time

#[test]
fn a_writer_never_goes_back_in_time() {
    let assembly = Assembly::of(&[1]);
    let (node, head) = (assembly.node(), assembly.state().clock());
    let ago = |seconds: u64| {
        let micros = head.as_micros() - seconds * 1_000_000;
        Timestamp::from_micros(micros).unwrap()
    };
    assert_eq!(node.timestamp(later(head, 1)).unwrap(), later(head, 1));
    assert_eq!(node.timestamp(ago(300)).unwrap(), head);
    let refused = node.timestamp(ago(301)).unwrap_err();
    assert_eq!(refused.code(), "clock.head-in-future");
}

// 12 Limits

#[test]
fn texts_are_bounded() {
    assert!("n".repeat(64).parse::<Name>().is_ok());
    assert!("n".repeat(65).parse::<Name>().is_err());
    // 64 characters of four bytes are 256 bytes.
    assert!("\u{1f5f3}".repeat(64).parse::<Name>().is_ok());
    assert!("l".repeat(256).parse::<Label>().is_ok());
    assert!("l".repeat(257).parse::<Label>().is_err());
    assert!("t".repeat(257).parse::<Title>().is_err());
    assert!("".parse::<Prose>().is_ok());
    let controls = "\u{1}".repeat(16 * 1024);
    assert!(format!("{controls}x").parse::<Prose>().is_err());
    // Each takes six bytes in JSON: a ballot has room for them.
    let rationale: Prose = controls.parse().unwrap();
    let mut assembly = Assembly::of(&[1]);
    let mut ballot = assembly.ballot(0, nowhere(), Approve);
    ballot.rationale = rationale;
    let text = Statement::new(ballot).unwrap();
    assert!(text.as_str().len() > 6 * 16 * 1024);
    assert!(Statement::<Ballot>::parse(text.as_str()).is_ok());
}

#[test]
fn format_characters_are_the_documented_ones() {
    let text = document("12-limits.md");
    let block = text.split("```text\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let mut documented = BTreeSet::new();
    for range in block.split_whitespace() {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |hex: &str| u32::from_str_radix(hex, 16).unwrap();
        documented.extend((number(first)..=number(last)).filter_map(char::from_u32));
    }
    for character in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
        let refused = format!("a{character}b").parse::<Name>().is_err();
        let expected = character.is_control() || documented.contains(&character);
        assert_eq!(refused, expected, "{:04X}", u32::from(character));
    }
}

// 13 Ledger format

#[test]
fn opening_for_writing_removes_what_was_left_unfinished() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = FileLedger::create(dir.path()).unwrap();
    drop(Assembly::found(
        ledger,
        Policy::default(),
        &[1],
        Signatures::StandIn,
    ));
    let unfinished = dir.path().join("ledger/00000000000000000001.jsonl.tmp");
    fs::write(&unfinished, "half of a copy").unwrap();
    // A reader leaves it alone.
    drop(LedgerReader::open(dir.path()).unwrap());
    assert!(unfinished.exists());
    drop(FileLedger::open(dir.path(), Wait::No).unwrap());
    assert!(!unfinished.exists());
}

// 14 State hash, 15 Events

#[test]
fn the_projection_has_the_documented_members() {
    let text = document("14-state-hash.md");
    let (_, table) = text.split_once("**STATE-3**").unwrap();
    let (table, _) = table.split_once("**STATE-4**").unwrap();
    let documented: BTreeSet<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();

    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let open = assembly.propose(0, authorize_model("open"));
    assembly.vote(3, open, Approve);
    let (_, new) = assembly.new_key(assembly.id(1));
    let rotation = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(rotation));
    assembly.pass(0..3, authorize_model("triage"));
    assembly.pass(0..3, revoke_model("triage"));
    let until = later(assembly.now(), HOUR);
    let target = FreezeTarget::Everything;
    assembly.pass(0..3, Action::EmergencyFreeze { target, until });
    assembly.accuse(3, open);

    let state = projection(assembly.state());
    let mut found = BTreeSet::new();
    for (member, value) in state.as_object().unwrap() {
        // The members of these are listed one by one.
        if ["authorizations", "nodes", "predictions"].contains(&member.as_str()) {
            found.extend(members(value).iter().map(|it| format!("{member}.{it}")));
        } else {
            found.insert(member.clone());
        }
    }
    assert_eq!(found, documented);
    assert_eq!(state["projection"], 1);

    let same = |found: &Value, example: &Value| assert_eq!(members(found), members(example));
    let authorizations = &state["authorizations"];
    let grant = examples(&text, "STATE-4");
    same(&authorizations["grants"][0], &grant[0]);
    same(
        &authorizations["grants"][0]["revoked"],
        &grant[0]["revoked"],
    );
    let parts = [
        &authorizations["freezes"][0],
        &authorizations["revocations"][0],
        &state["evidence"][0],
        &state["ledger"],
        &state["nodes"]["registered"][0],
        &state["predictions"]["others"],
    ];
    let documented = examples(&text, "STATE-5");
    assert_eq!(documented.len(), parts.len());
    for (part, example) in parts.into_iter().zip(&documented) {
        same(part, example);
    }
    let former = &state["nodes"]["registered"][1]["former_keys"][0];
    assert_eq!(members(former), BTreeSet::from(["from", "key", "until"]));
    let [example] = &examples(&text, "STATE-6")[..] else {
        panic!("one proposal");
    };
    let decided = &state["proposals"][1];
    same(decided, example);
    for part in ["decided", "tally"] {
        same(&decided[part], &example[part]);
    }
    same(&decided["rules"][0], &example["rules"][0]);
    same(&decided["electorate"][0], &example["electorate"][0]);
    let ballot = &example["electorate"][0]["ballot"];
    same(&decided["electorate"][0]["ballot"], ballot);

    // The hash is that of the canonical text.
    let text = assembly.state().projection();
    let hash = assembly.state().hash().to_string();
    assert_eq!(hash, Digest::of(text.as_bytes()).to_string());
    assert_eq!(serde_json_canonicalizer::to_string(&state).unwrap(), text);
}

#[test]
fn the_operations_are_the_documented_ones() {
    let known: BTreeSet<&str> = OPERATIONS.iter().copied().collect();
    let text = document("15-events.md");
    let table = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = table.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(listed, known);
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(headings.collect::<BTreeSet<_>>(), known);
    // Each is named as a cause, as an effect, as a consequence or as part of the founding.
    let text = document("01-determinism.md") + &document("03-genesis.md");
    for operation in known {
        assert!(text.contains(&format!("`{operation}`")), "{operation}");
    }
}

#[test]
fn events_have_one_form() {
    let code = |operation: &str, data: &str| {
        let read = Event::decode(operation, data);
        read.err().map(|error| error.code())
    };
    assert_eq!(code("vote_revoked", "{}"), Some("event.unknown-operation"));
    for operation in OPERATIONS {
        for data in ["{}", "{\"x\":1}", "null", "[]", ""] {
            let found = code(operation, data);
            assert_eq!(found, Some("event.malformed"), "{operation} {data}");
        }
    }
    let id = nowhere();
    for (data, expected) in [
        (
            format!(r#"{{"proposal_id":"{id}","reason":"policy"}}"#),
            None,
        ),
        (
            format!(r#"{{"reason":"policy","proposal_id":"{id}"}}"#),
            Some("event.malformed"),
        ),
        (
            format!(r#"{{"proposal_id":"{id}","proposal_id":"{id}","reason":"policy"}}"#),
            Some("event.malformed"),
        ),
        (
            format!(r#"{{"proposal_id":"{id}","reason":"policy","why":""}}"#),
            Some("event.malformed"),
        ),
        (
            format!(r#"{{"proposal_id":"{id}"}}"#),
            Some("event.malformed"),
        ),
    ] {
        assert_eq!(code("proposal_failed", &data), expected, "{data}");
    }
    // Fractions are for the figures of a prediction alone.
    let predicted = |duration: &str, figure: &str| {
        let digest = Digest::ZERO;
        let data = format!(
            r#"{{"prediction":{{"duration_ms":{duration},"input_digest":"{digest}","model":"urn:model:x","model_version":"1","output_summary":{{"a":{figure}}}}},"verdict":"unauthorized"}}"#
        );
        code("prediction_recorded", &data)
    };
    assert_eq!(predicted("1", "0.50"), None);
    assert_eq!(predicted("1.0", "0.50"), Some("event.malformed"));
}
