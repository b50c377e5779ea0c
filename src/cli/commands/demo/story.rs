//! The story itself, act by act. Everything told here happens on the ledger first.

mod receipt;

use std::fs;
use std::path::Path;

use super::DemoReport;
use super::cast::{Hospital, constitution, hospital};
use super::stage::Stage;
use crate::cli::commands::{authorization, node};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::style::{bold, good};
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::event::{Event, Recorded};
use crate::governance::id::{NodeId, ProposalId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::label::Label;
use crate::governance::prediction::{Figures, OutputSummary, Prediction, PredictionVerdict};
use crate::governance::proposal::{Action, GrantTerms, RevocationTerms};
use crate::governance::rejection::Rejection;
use crate::governance::scope::{CheckContext, Scope};
use crate::governance::state::State;
use crate::governance::state::proposal::ProposalState;
use crate::identity::MlDsaVerifier;
use crate::ledger::{FileLedger, LedgerReader};
use crate::node::{Node, NodeError};
use crate::replay::{ReplayError, replay};
use crate::views::authorizations::GrantView;
use crate::views::nodes::NodeSummary;
pub(super) use receipt::FILE as RECEIPT_FILE;

const MODEL: &str = "did:example:sepsis-warning";
const SHADOW_MODEL: &str = "did:example:shadow-triage";
const AGENT: &str = "did:example:bed-scheduler";

/// Tells the story on a fresh ledger in `dir`.
pub fn tell(dir: &Path, session: &Session, stage: &Stage<'_>) -> Result<DemoReport, Failure> {
    stage.title("Althing: a consortium of hospitals governs its AI models")?;
    let keys = dir.join("keys");
    let mut story = Story::begin(dir, &keys, session, stage)?;
    story.authorize_model(&keys)?;
    story.catch_equivocator()?;
    story.record_predictions()?;
    story.revoke_model()?;
    story.admit_newcomer(&keys)?;
    let received = story.give_a_receipt(dir)?;
    let state = story.forget_and_replay(dir)?;
    let tampering = story.tamper_with_a_copy(dir)?;
    Ok(DemoReport {
        ledger: state.state.ledger(),
        entries: state.state.entries(),
        head: state.head,
        state_hash: state.before,
        replayed_state_hash: state.after,
        states_equal: state.before == state.after,
        refusals: story.refusals,
        origin: received.origin,
        receipt_entries: received.entries,
        receipt_authorized_as_of: received.authorized_as_of,
        receipt_refused: received.refused,
        tampered_entry: tampering.entry,
        tampering_found_at: tampering.error.seq,
        tampering_code: tampering.error.code(),
        kept: None,
    })
}

struct Story<'a> {
    session: &'a Session,
    stage: &'a Stage<'a>,
    aurora: Hospital,
    birch: Hospital,
    coast: Hospital,
    university: Hospital,
    ember: Hospital,
    /// `None` once the process has forgotten everything.
    node: Option<Node<FileLedger>>,
    refusals: Vec<&'static str>,
}

/// The two states at the end.
struct Recital {
    state: State,
    head: Digest,
    before: Digest,
    after: Digest,
}

/// What became of the flipped byte.
struct Tampering {
    entry: u64,
    error: ReplayError,
}

/// Something in the story went otherwise than told.
fn off_script(message: &str) -> Failure {
    Failure::new(Exit::Failure, "demo.off-script", message)
}

fn subject(text: &str) -> Result<Subject, Failure> {
    text.parse()
        .map_err(|_| off_script("a subject of the story"))
}

impl<'a> Story<'a> {
    /// Act one.
    fn begin(
        dir: &Path,
        keys: &Path,
        session: &'a Session,
        stage: &'a Stage<'a>,
    ) -> Result<Self, Failure> {
        stage.act(1, "Five hospitals found a ledger")?;
        let ledger = FileLedger::create(dir)?;
        let aurora = hospital(keys, "Aurora", 1)?;
        let birch = hospital(keys, "Birch", 1)?;
        let coast = hospital(keys, "Coast", 1)?;
        let university = hospital(keys, "University", 2)?;
        let ember = hospital(keys, "Ember", 1)?;
        let founders = [&aurora, &birch, &coast, &university, &ember];
        let genesis = constitution(&founders, session.now())?;
        let node = Node::found(ledger, &genesis, session.now())?;
        stage.say("Aurora 1 · Birch 1 · Coast 1 · University 2 · Ember 1, total weight 6")?;
        stage.done("every founder signed the constitution with ML-DSA-65 (FIPS 204)")?;
        let identity = node.state().identity();
        stage.aside(&format!("ledger id {}", identity.ledger))?;
        stage.aside(&format!("origin    {}  (pin it)", identity.origin))?;
        Ok(Self {
            session,
            stage,
            aurora,
            birch,
            coast,
            university,
            ember,
            node: Some(node),
            refusals: Vec::new(),
        })
    }

    /// Act two.
    fn authorize_model(&mut self, keys: &Path) -> Result<(), Failure> {
        self.stage
            .act(2, "They authorize a medical model by weighted two thirds")?;
        let mut scope = Scope::unrestricted();
        scope
            .allow("environment", "prod")
            .map_err(|error| off_script(&error.to_string()))?;
        let terms = GrantTerms {
            scope,
            ..GrantTerms::unrestricted(subject(MODEL)?)
        };
        let proposal = self.propose(
            Who::Aurora,
            "Sepsis early warning 2.1 in production",
            Action::AuthorizeModel(terms),
        )?;
        self.stage.say(&format!(
            "Aurora proposes: authorize {MODEL} for environment=prod"
        ))?;
        self.vote(Who::Aurora, proposal, Decision::Approve)?;
        self.vote(Who::University, proposal, Decision::Approve)?;
        self.outsider_tries(keys, proposal)?;
        self.vote(Who::Birch, proposal, Decision::Approve)?;
        self.tell_decision(proposal)?;
        self.stage
            .aside("decided before the deadline: even two rejections could not change the outcome")
    }

    /// An outsider forges a ballot of Coast's, then votes in its own name.
    fn outsider_tries(&mut self, keys: &Path, proposal: ProposalId) -> Result<(), Failure> {
        let outsider = hospital(&keys.join("outsider"), "Mallory", 1)?;
        let coast = self.coast.id();
        let own = outsider.id();
        for (voter, text) in [
            (
                coast,
                "Mallory, an outsider, forges a ballot in Coast's name: refused",
            ),
            (own, "Mallory votes in its own name: refused"),
        ] {
            let at = self.session.now();
            let node = self.node()?;
            let found = proposal_of(node.state(), proposal)?;
            let ballot = outsider.vote_as(voter, node.state(), found, Decision::Approve, at)?;
            let refusal = self.refused(&Command::Vote(ballot))?;
            self.stage.refused(text, refusal)?;
        }
        Ok(())
    }

    /// Act three.
    fn catch_equivocator(&mut self) -> Result<(), Failure> {
        self.stage
            .act(3, "One hospital votes twice and is caught")?;
        let terms = GrantTerms::unrestricted(subject(AGENT)?);
        let proposal = self.propose(
            Who::Birch,
            "Bed scheduling agent",
            Action::AuthorizeAgent(terms),
        )?;
        self.stage
            .say(&format!("Birch proposes: authorize {AGENT}"))?;
        self.vote(Who::Ember, proposal, Decision::Approve)?;
        let recorded = self.cast(Who::Ember, proposal, Decision::Reject)?;
        let Some(Event::ByzantineDetected(_)) = recorded.first().map(|entry| &entry.event) else {
            return Err(off_script("the second ballot was not found out"));
        };
        let seq = recorded.first().map_or(0, |entry| entry.seq);
        self.stage.refused(
            "Ember signs a second ballot that says reject: caught",
            "ballot.equivocation",
        )?;
        self.refusals.push("ballot.equivocation");
        self.stage.say(&format!(
            "  both ballots are kept as evidence in entry {seq}; Ember is suspended, its weight"
        ))?;
        self.stage
            .say("  counts as Byzantine: against the proposal, never for it")?;
        self.vote(Who::University, proposal, Decision::Approve)?;
        self.vote(Who::Aurora, proposal, Decision::Approve)?;
        self.vote(Who::Birch, proposal, Decision::Approve)?;
        self.tell_decision(proposal)
    }

    /// Act four.
    fn record_predictions(&mut self) -> Result<(), Failure> {
        self.stage.act(
            4,
            "Predictions are recorded under the authorization in force",
        )?;
        let mut context = CheckContext::default();
        context
            .set("environment", "prod")
            .map_err(|error| off_script(&error.to_string()))?;
        for patient in 1..=3 {
            let verdict = self.predict(MODEL, &format!("patient {patient}"), &context)?;
            let PredictionVerdict::Granted(grant) = verdict else {
                return Err(off_script("an authorized model was flagged"));
            };
            let text = format!(
                "{MODEL} for patient {patient}: under grant {}",
                grant.short()
            );
            self.stage.done(&text)?;
        }
        let verdict = self.predict(SHADOW_MODEL, "patient 4", &context)?;
        if verdict != PredictionVerdict::Unauthorized {
            return Err(off_script("an unauthorized model was not flagged"));
        }
        self.stage.refused(
            &format!("{SHADOW_MODEL} for patient 4: recorded and flagged"),
            "unauthorized",
        )
    }

    fn predict(
        &mut self,
        model: &str,
        input: &str,
        context: &CheckContext,
    ) -> Result<PredictionVerdict, Failure> {
        let label = |text: &str| -> Result<Label, Failure> {
            text.parse().map_err(|_| off_script("a label of the story"))
        };
        let figures =
            serde_json::from_str::<Figures>(r#"{"mean_confidence":0.93,"threshold":0.8}"#)
                .map_err(|error| off_script(&error.to_string()))?;
        let prediction = Prediction {
            context: context.clone(),
            duration_ms: Some(12),
            input_digest: Digest::of(input.as_bytes()),
            model: subject(model)?,
            model_version: label("2.1")?,
            output_summary: OutputSummary::new(figures)
                .map_err(|error| off_script(&error.to_string()))?,
            recorder: Some(label("ward-7")?),
            request_id: None,
            user_id: None,
        };
        let recorded = self.submit(&Command::RecordPrediction(prediction))?;
        match recorded.first().map(|entry| &entry.event) {
            Some(Event::PredictionRecorded(recorded)) => Ok(recorded.verdict),
            _ => Err(off_script("the prediction was not recorded")),
        }
    }

    /// Act five.
    fn revoke_model(&mut self) -> Result<(), Failure> {
        self.stage.act(5, "The model is recalled")?;
        self.tell_check("before")?;
        let proposal = self.propose(
            Who::Coast,
            "Recall: too many false alarms",
            Action::RevokeModel(RevocationTerms {
                grant_id: None,
                subject: subject(MODEL)?,
            }),
        )?;
        self.stage.say("Coast proposes: revoke its grants")?;
        for who in [Who::Coast, Who::University, Who::Birch] {
            self.vote(who, proposal, Decision::Approve)?;
        }
        self.tell_decision(proposal)?;
        self.tell_check("after")
    }

    fn tell_check(&self, when: &str) -> Result<(), Failure> {
        let mut context = CheckContext::default();
        context
            .set("environment", "prod")
            .map_err(|error| off_script(&error.to_string()))?;
        let state = self.node()?.state();
        let at = self.session.now().max(state.clock());
        let outcome =
            state
                .authorizations()
                .check(AuthorizationKind::Model, &subject(MODEL)?, &context, at);
        let text = format!("may {MODEL} run in prod, {when}?");
        if outcome.is_allowed() {
            self.stage
                .done(&format!("{text} yes, {}", outcome.reason.name()))
        } else {
            self.stage
                .refused(&format!("{text} no"), outcome.reason.name())
        }
    }

    /// Act six.
    fn admit_newcomer(&mut self, keys: &Path) -> Result<(), Failure> {
        self.stage
            .act(6, "A sixth hospital is admitted and votes")?;
        let fjord = hospital(keys, "Fjord", 1)?;
        let proposal = self.propose(
            Who::University,
            "Fjord joins the consortium",
            Action::AddNode(fjord.application()?),
        )?;
        self.stage.say(
            "University proposes: admit Fjord with weight 1, by more than 2/3 of all weight",
        )?;
        for who in [Who::University, Who::Aurora, Who::Coast] {
            self.vote(who, proposal, Decision::Approve)?;
        }
        self.tell_decision(proposal)?;
        let terms = GrantTerms::unrestricted(subject("did:example:radiology-reader")?);
        let next = self.propose(
            Who::Aurora,
            "Radiology reader 1.0",
            Action::AuthorizeModel(terms),
        )?;
        self.stage
            .say("Aurora proposes: authorize did:example:radiology-reader")?;
        let at = self.session.now();
        let state = self.node()?.state();
        let ballot = fjord.vote_as(
            fjord.id(),
            state,
            proposal_of(state, next)?,
            Decision::Approve,
            at,
        )?;
        self.submit(&Command::Vote(ballot))?;
        let tally = *proposal_of(self.node()?.state(), next)?.tally();
        self.stage
            .ballot("Fjord approves, its first ballot", &tally)
    }

    /// Act eight: the process forgets everything and recites the history.
    fn forget_and_replay(&mut self, dir: &Path) -> Result<Recital, Failure> {
        self.stage
            .act(8, "The process forgets everything and replays the ledger")?;
        let before = self.node()?.state().hash();
        // Dropping the node closes the ledger and forgets the state.
        self.node = None;
        let replayed = replay(LedgerReader::open(dir)?.reader(), &MlDsaVerifier)?;
        let state = replayed.state;
        let after = state.hash();
        self.stage.done(&format!(
            "{} entries: every hash, link, signature and decision checked again",
            state.entries()
        ))?;
        self.stage.say("")?;
        let nodes = NodeSummary::all(&state);
        self.stage.block(&node::table(&nodes))?;
        self.stage.say("")?;
        let grants = GrantView::all(&state, self.session.now().max(state.clock()));
        self.stage.block(&authorization::table(&grants))?;
        self.stage.say("")?;
        self.stage.say(&format!("state hash before  {before}"))?;
        let verdict = if before == after {
            good("equal")
        } else {
            return Err(off_script("the replayed state differs"));
        };
        self.stage
            .say(&format!("state hash after   {after}  {}", bold(&verdict)))?;
        Ok(Recital {
            head: replayed.head.hash,
            state,
            before,
            after,
        })
    }

    /// Act nine: one byte of a copy is flipped.
    fn tamper_with_a_copy(&self, dir: &Path) -> Result<Tampering, Failure> {
        self.stage
            .act(9, "Somebody flips one byte in a copy of the ledger")?;
        let segment = dir.join("ledger").join("00000000000000000001.jsonl");
        let original = fs::read(&segment).map_err(|error| Failure::file(&segment, &error))?;
        let needle = b"\"decision\":\"reject\"";
        let place = original
            .windows(needle.len())
            .position(|window| window == needle)
            .ok_or_else(|| off_script("no ballot that rejects"))?;
        let mut copy = original;
        let entry = copy
            .iter()
            .take(place)
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        if let Some(byte) = copy.get_mut(place + needle.len() - 2) {
            *byte ^= 1;
        }
        self.stage.say(&format!(
            "in entry {entry}, byte {}: \"reject\" becomes \"rejecu\"",
            place + needle.len() - 2
        ))?;
        let Err(error) = replay(copy.as_slice(), &MlDsaVerifier) else {
            return Err(off_script("the flipped byte was not found"));
        };
        self.stage.refused(
            &format!("verify: entry {} was tampered with", error.seq),
            error.code(),
        )?;
        Ok(Tampering {
            entry: entry as u64,
            error,
        })
    }
}

/// The founders, by name.
#[derive(Clone, Copy)]
enum Who {
    Aurora,
    Birch,
    Coast,
    University,
    Ember,
}

impl Story<'_> {
    const fn hospital(&self, who: Who) -> &Hospital {
        match who {
            Who::Aurora => &self.aurora,
            Who::Birch => &self.birch,
            Who::Coast => &self.coast,
            Who::University => &self.university,
            Who::Ember => &self.ember,
        }
    }

    fn node(&self) -> Result<&Node<FileLedger>, Failure> {
        self.node
            .as_ref()
            .ok_or_else(|| off_script("the ledger is closed"))
    }

    fn submit(&mut self, command: &Command) -> Result<Vec<Recorded>, Failure> {
        let node = self
            .node
            .as_mut()
            .ok_or_else(|| off_script("the ledger is closed"))?;
        let at = self.session.write_time(node)?;
        Ok(node.submit(command, at)?)
    }

    /// Submits what must be refused, and returns the code.
    fn refused(&mut self, command: &Command) -> Result<&'static str, Failure> {
        let node = self
            .node
            .as_mut()
            .ok_or_else(|| off_script("the ledger is closed"))?;
        let at = self.session.write_time(node)?;
        match node.submit(command, at) {
            Err(NodeError::Refused(rejection)) => {
                self.refusals.push(Rejection::code(&rejection));
                Ok(rejection.code())
            }
            Err(error) => Err(error.into()),
            Ok(_) => Err(off_script("something was accepted that must be refused")),
        }
    }

    fn propose(&mut self, who: Who, title: &str, action: Action) -> Result<ProposalId, Failure> {
        let at = self.session.now();
        let state = self.node()?.state();
        let signed = self.hospital(who).propose(state, title, action, at)?;
        let id = signed.content().proposal_id;
        self.submit(&Command::Propose(signed))?;
        Ok(id)
    }

    fn cast(
        &mut self,
        who: Who,
        proposal: ProposalId,
        decision: Decision,
    ) -> Result<Vec<Recorded>, Failure> {
        let at = self.session.now();
        let state = self.node()?.state();
        let hospital = self.hospital(who);
        let voter: NodeId = hospital.id();
        let found = proposal_of(state, proposal)?;
        let ballot = hospital.vote_as(voter, state, found, decision, at)?;
        self.submit(&Command::Vote(ballot))
    }

    fn vote(&mut self, who: Who, proposal: ProposalId, decision: Decision) -> Result<(), Failure> {
        self.cast(who, proposal, decision)?;
        let found = proposal_of(self.node()?.state(), proposal)?;
        let hospital = self.hospital(who);
        let weight = found
            .member(hospital.id())
            .map_or(0, |member| member.weight().get());
        let weight = if weight > 1 {
            format!(" (weight {weight})")
        } else {
            String::new()
        };
        let verb = match decision {
            Decision::Approve => "approves",
            Decision::Reject => "rejects",
            Decision::Abstain => "abstains",
        };
        let text = format!("{} {verb}{weight}", hospital.name);
        self.stage.ballot(&text, found.tally())
    }

    fn tell_decision(&self, proposal: ProposalId) -> Result<(), Failure> {
        let found = proposal_of(self.node()?.state(), proposal)?;
        let text = format!("{} and {}", bold("passed"), bold(found.status().name()));
        self.stage
            .say(&format!("  {text}: {}", found.content().action.subject()))
    }
}

fn proposal_of(state: &State, proposal: ProposalId) -> Result<&ProposalState, Failure> {
    state
        .proposals()
        .get(proposal)
        .ok_or_else(|| off_script("a proposal of the story is gone"))
}
