//! What the page must say of a state.

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::proposal::{Action, FreezeTarget, GrantTerms};
use althing::governance::scope::Scope;
use althing::testing::{Assembly, actions};

use super::Page;

/// What happened, where on the page it is looked for, and what must stand there.
struct Case {
    what: &'static str,
    happened: fn(&mut Assembly),
    place: &'static str,
    says: &'static [&'static str],
}

const fn case(
    what: &'static str,
    happened: fn(&mut Assembly),
    place: &'static str,
    says: &'static [&'static str],
) -> Case {
    Case {
        what,
        happened,
        place,
        says,
    }
}

fn nothing(_: &mut Assembly) {}

fn open(assembly: &mut Assembly) {
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    assembly.vote(0, proposal, Approve);
}

fn granted(assembly: &mut Assembly) {
    assembly.pass([0, 1, 2], actions::authorize_model("triage"));
}

fn revoked(assembly: &mut Assembly) {
    granted(assembly);
    assembly.pass([0, 1, 2], actions::revoke_model("triage"));
}

fn limited(assembly: &mut Assembly) {
    let scope: Scope =
        serde_json::from_value(serde_json::json!({"environment": ["prod"]})).unwrap();
    let terms = GrantTerms {
        scope,
        ..GrantTerms::unrestricted(actions::model("triage"))
    };
    assembly.pass([0, 1, 2], Action::AuthorizeModel(terms));
}

fn frozen(assembly: &mut Assembly) {
    granted(assembly);
    let until = assembly
        .now()
        .saturating_add(althing::governance::time::Seconds::HOUR);
    let target = FreezeTarget::Everything;
    assembly.pass([0, 1], Action::EmergencyFreeze { target, until });
}

fn rejected(assembly: &mut Assembly) {
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    assembly.vote(0, proposal, Reject);
    assembly.vote(1, proposal, Reject);
}

fn accused(assembly: &mut Assembly) {
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    assembly.vote(3, proposal, Approve);
    assembly.accuse(3, proposal);
}

fn tainted(assembly: &mut Assembly) {
    let proposal = assembly.pass([0, 1, 2], actions::authorize_model("triage"));
    assembly.accuse(2, proposal);
}

fn predicted(assembly: &mut Assembly) {
    assembly.predict("triage");
    granted(assembly);
    assembly.predict("triage");
    assembly.predict("triage");
}

const CASES: &[Case] = &[
    case(
        "a new ledger",
        nothing,
        "#overview",
        &[
            "Not frozen.",
            "4 active nodes",
            "0 undecided proposals",
            "None was given.",
        ],
    ),
    case(
        "a new ledger",
        nothing,
        "#proposals",
        &["Nothing was proposed yet."],
    ),
    case(
        "a new ledger",
        nothing,
        "#authorizations",
        &["Nothing was ever granted."],
    ),
    case(
        "a new ledger",
        nothing,
        "#predictions",
        &["No prediction was recorded."],
    ),
    case(
        "a new ledger",
        nothing,
        "#evidence",
        &["No node was found to contradict itself."],
    ),
    case(
        "a new ledger",
        nothing,
        "#verify",
        &["No checkpoint came with this page"],
    ),
    case(
        "an open proposal",
        open,
        "#proposals article",
        &[
            "voting",
            "approve 1",
            "may still vote 3",
            "of 4",
            "Quorum: at least 2/3 of all weight takes part. 1 of 4; 3 needed. does not hold",
            "Approval: at least 2/3 of the deciding weight approves. 1 of 1; 1 needed. holds",
            "Majority of all: more than 1/2 of all weight approves. 1 of 4; 3 needed. does not hold",
            "If nobody else votes: expired.",
            "To pass: at least 2 more weight that approves.",
            "To fail for certain: at least 2 more weight that rejects.",
            "It is decided as soon as no further ballot can change the outcome.",
            "open for ballots, or waiting to be closed",
        ],
    ),
    case(
        "a grant",
        granted,
        "#proposals article",
        &[
            "executed",
            "had not voted 1",
            "proposal created",
            "consensus reached",
            "authorization granted",
        ],
    ),
    case(
        "a grant",
        granted,
        "#authorizations article.why",
        &[
            "model urn:model:triage",
            "allowed",
            "live",
            "granted by authorize-model",
            "decided before its deadline",
            "by the founding policy: at least 2/3 taking part",
            "counted: 3 approve, 0 reject, 0 abstain, 0 Byzantine, of 4",
            "approve in entry 7",
            "did not vote",
            "signed by the key",
        ],
    ),
    case(
        "a revocation",
        revoked,
        "#authorizations article.why",
        &["denied", "revoked, as of", "revoked by revoke-model"],
    ),
    case(
        "a limited grant",
        limited,
        "#authorizations",
        &[
            "only in some circumstances",
            "out of scope",
            "environment=prod",
        ],
    ),
    case(
        "a freeze",
        frozen,
        "#overview",
        &["Frozen until", "every authorization"],
    ),
    case(
        "a freeze",
        frozen,
        "#authorizations article.why",
        &["denied", "frozen, as of", "imposed by emergency-freeze"],
    ),
    case(
        "a rejection",
        rejected,
        "#proposals article",
        &["rejected", "reject 2"],
    ),
    case(
        "an equivocation",
        accused,
        "#evidence article",
        &[
            "signed two ballots that contradict each other",
            "was suspended by it",
            "Decisionapproverejectdiffers",
        ],
    ),
    case(
        "an equivocation",
        accused,
        "#proposals article",
        &["Byzantine 1", "byzantine detected"],
    ),
    case(
        "an equivocation",
        accused,
        "#overview",
        &["3 active nodes", "1 contradictions found"],
    ),
    case(
        "an equivocation",
        accused,
        "#nodes",
        &["suspended", "two ballots, entry"],
    ),
    case(
        "late evidence",
        tainted,
        "#proposals article",
        &["Tainted", "it stands"],
    ),
    case(
        "late evidence",
        tainted,
        "#authorizations article.why",
        &["tainted", "Byzantine: does not count"],
    ),
    case(
        "predictions",
        predicted,
        "#predictions",
        &[
            "urn:model:triage",
            "2 under a grant, 1 outside any grant",
            "entry 6",
        ],
    ),
    case(
        "predictions",
        predicted,
        "#overview",
        &["1 predictions outside a grant"],
    ),
];

#[test]
fn the_page_says_what_holds() {
    for case in CASES {
        let mut assembly = Assembly::of(&[1, 1, 1, 1]);
        (case.happened)(&mut assembly);
        let page = Page::of_assembly(&assembly);
        let words = page.all_words(case.place);
        for says in case.says {
            assert!(
                words.contains(says),
                "{}: {} should say \"{says}\":\n{words}",
                case.what,
                case.place
            );
        }
    }
}

#[test]
fn bars_are_as_long_as_the_weights_and_marked_where_it_is_enough() {
    let mut assembly = Assembly::of(&[3, 1, 2, 2]);
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    assembly.vote(0, proposal, Approve);
    assembly.vote(1, proposal, Reject);
    let page = Page::of_assembly(&assembly);
    let rects = page.all("#proposals .count svg rect:not(.ground)");
    let rects: Vec<_> = (rects.iter())
        .map(|it| ["class", "x", "width"].map(|name| it.attr(name).unwrap()))
        .collect();
    assert_eq!(
        rects,
        [
            ["approve", "0", "375"],
            ["reject", "375", "125"],
            ["uncast", "500", "500"]
        ]
    );
    // 6 of 8 for the quorum, 3 of the 4 that decided, 5 of 8.
    let marks = page.all("#proposals .conditions svg line.mark");
    let marks: Vec<_> = marks.iter().map(|it| it.attr("x1").unwrap()).collect();
    assert_eq!(marks, ["750", "750", "625"]);
}

#[test]
fn who_may_still_vote_stands_with_what_the_vote_can_do() {
    let mut assembly = Assembly::of(&[2, 1, 3]);
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    assembly.vote(0, proposal, Approve);
    let page = Page::of_assembly(&assembly);
    let words = page.all_words("#proposals article ul.plain li");
    assert!(words.contains("node-1 (1), node-2"), "{words}");
    assert!(words.contains("(3, decides it either way)"), "{words}");
}
