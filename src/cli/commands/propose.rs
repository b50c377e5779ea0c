//! `althing propose`: put something to the vote.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::init::{node_name, public_key};
use crate::cli::args::parse_time;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::{bold, fields};
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::event::{Event, Recorded};
use crate::governance::id::{GrantId, ProposalId, Subject};
use crate::governance::kind::ProposalKind;
use crate::governance::label::{Prose, Title};
use crate::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, NewKey, NewNode, Proposal, RevocationTerms,
};
use crate::governance::scope::Scope;
use crate::governance::state::State;
use crate::governance::state::proposal::Status;
use crate::governance::statement::Signed;
use crate::governance::time::{Seconds, Timestamp};
use crate::governance::weight::Weight;
use crate::identity::PublicKeyExport;
use crate::node::signing::{Draft, Signer};

/// Arguments of `propose`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing propose authorize-model did:example:triage --title 'Triage 1.2' --as clinic \\
      --scope environment=prod --scope max_rate_qps=50 --duration 90d
  althing propose revoke-model did:example:triage --title 'Recall' --as clinic
  althing propose authorize-agent did:example:scheduler --title 'Scheduler' --as clinic
  althing propose revoke-agent did:example:scheduler --title 'Retire' --as clinic
  althing propose add-node newcomer --file newcomer.pub.json --param weight=2 --title 'Join' --as clinic
  althing propose remove-node university --title 'Leave' --as clinic
  althing propose update-policy --file policy.json --title 'Longer votes' --as clinic
  althing propose emergency-freeze did:example:triage --duration 12h --title 'Incident' --as clinic
  althing propose lift-freeze did:example:triage --title 'Resolved' --as clinic
  althing propose delegation did:example:helper --param parent=3f2a91c0 --title 'Help' --as clinic
  althing propose revoke-delegation did:example:helper --title 'Enough' --as clinic
  althing propose reinstate-node ember --file ember-2.pub.json --title 'Again' --as clinic
  althing propose replace-key birch --file birch-2.pub.json --title 'Lost key' --as clinic

Parameters of each kind (--param NAME=JSON; others are kept as they are for voters to read):
  authorize-model, authorize-agent   artifact_digest=\"<SHA-256>\"; --scope, --expires, --not-before
  revoke-model, revoke-agent         grant_id=\"<id>\" to end one grant instead of all
  add-node                           weight=N; --file, the newcomer's public key export
  remove-node                        none
  update-policy                      --file, the new policy; what it leaves out stays as it is
  emergency-freeze                   SUBJECT or '*', and --duration or --expires
  lift-freeze                        SUBJECT or '*', exactly as it was frozen
  delegation                         parent=\"<grant id>\"; terms no wider than the parent's
  revoke-delegation                  as revoke-agent
  reinstate-node, replace-key        --file, the public key export of the node's new key"
))]
pub struct Propose {
    /// What to do.
    kind: ProposalKind,
    /// With whom: a DID or URN; a node's name or DID; '*' for a freeze. Not needed for
    /// update-policy and for add-node with --file.
    subject: Option<String>,
    /// What it is about, in a line.
    #[arg(long)]
    title: Title,
    /// The case for it.
    #[arg(long, default_value = "")]
    description: Prose,
    /// An allowed value of a dimension, or a limit (names that begin with max_). Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    scope: Vec<String>,
    /// When the grant ends.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time, conflicts_with = "duration")]
    expires: Option<Timestamp>,
    /// When the grant ends, from now on: 90s, 15m, 12h, 30d.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Seconds>,
    /// When the grant begins.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    not_before: Option<Timestamp>,
    /// A parameter of the kind, or one for voters to read. Repeatable.
    #[arg(long = "param", value_name = "NAME=JSON")]
    params: Vec<String>,
    /// A public key export, a policy, or a JSON object of parameters; standard input for '-'.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The proposing node's key.
    #[arg(long = "as", value_name = "NAME")]
    signer: String,
    /// Write the signed statement to a file instead of recording it; standard output for '-'.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The longest duration that is taken, a hundred years in seconds: anything longer is a slip.
const LONGEST: u64 = 36_500 * 86_400;

/// Reads `90s`, `15m`, `12h` or `30d`.
fn parse_duration(text: &str) -> Result<Seconds, String> {
    let error = || "expected a number and s, m, h or d, such as 90d".to_owned();
    let split = text.len().checked_sub(1).ok_or_else(error)?;
    let (count, unit) = text.split_at_checked(split).ok_or_else(error)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(error()),
    };
    let count: u64 = count.parse().map_err(|_| error())?;
    count
        .checked_mul(unit)
        .filter(|seconds| *seconds <= LONGEST)
        .and_then(Seconds::new)
        .ok_or_else(|| "expected at most 36500d".to_owned())
}

#[derive(Serialize)]
pub struct ProposeReport {
    proposal_id: ProposalId,
    proposal_hash: Digest,
    status: Status,
    entries: Vec<u64>,
    kind: ProposalKind,
    deadline: Timestamp,
}

impl Report for ProposeReport {
    const SCHEMA: &'static str = "althing.propose/1";

    fn text(&self) -> String {
        fields(&[
            ("proposal", bold(&self.proposal_id.to_string())),
            ("kind", self.kind.to_string()),
            ("status", self.status.name().to_owned()),
            ("deadline", self.deadline.to_string()),
            (
                "next",
                format!(
                    "althing vote {} approve --as NAME",
                    self.proposal_id.short()
                ),
            ),
        ])
    }
}

/// Runs `althing propose`.
pub fn run(propose: &Propose, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let signer = session.signer(&propose.signer)?;
    if let Some(path) = &propose.out {
        let state = session.read()?.state;
        let signed = sign(propose, &signer, &state, session)?;
        statement_file::write(path, &signed, output)?;
        return Ok(Exit::Ok);
    }
    let mut node = session.open_node()?;
    let signed = sign(propose, &signer, node.state(), session)?;
    let recorded = session.submit(&mut node, &Command::Propose(signed))?;
    output.report(&report(node.state(), &recorded)?)?;
    session.close(&node);
    Ok(Exit::Ok)
}

/// What there is to say about a proposal that was just recorded.
pub fn report(state: &State, recorded: &[Recorded]) -> Result<ProposeReport, Failure> {
    recorded
        .iter()
        .find_map(|entry| match &entry.event {
            Event::ProposalCreated(created) => {
                let content = created.statement.content();
                let proposal = state.proposals().get(content.proposal_id)?;
                Some(ProposeReport {
                    proposal_id: proposal.id(),
                    proposal_hash: *proposal.hash(),
                    status: proposal.status(),
                    entries: recorded.iter().map(|entry| entry.seq).collect(),
                    kind: proposal.kind(),
                    deadline: proposal.deadline(),
                })
            }
            _ => None,
        })
        .ok_or_else(|| Failure::new(Exit::Failure, "proposal.unrecorded", "nothing was recorded"))
}

fn sign(
    propose: &Propose,
    signer: &Signer,
    state: &State,
    session: &Session,
) -> Result<Signed<Proposal>, Failure> {
    let mut parameters = Parameters::of(propose)?;
    let action = action(propose, &mut parameters, state, session)?;
    let draft = Draft {
        action,
        title: propose.title.clone(),
        description: propose.description.clone(),
        parameters: parameters.rest,
    };
    let id = ProposalId::from_uuid(Uuid::new_v4());
    Ok(signer.propose(draft, id, state, session.now())?)
}

/// The parameters that were given, from which each kind takes its own.
struct Parameters {
    rest: Map<String, Value>,
}

impl Parameters {
    fn of(propose: &Propose) -> Result<Self, Failure> {
        let mut rest = Map::new();
        let takes_other_file = matches!(
            propose.kind,
            ProposalKind::AddNode
                | ProposalKind::UpdatePolicy
                | ProposalKind::ReinstateNode
                | ProposalKind::ReplaceKey
        );
        if let Some(path) = propose.file.as_ref().filter(|_| !takes_other_file) {
            let text = statement_file::read_text(path)?;
            rest = serde_json::from_str(&text).map_err(|error| {
                Failure::usage(
                    "proposal.parameters",
                    format!("{}: expected a JSON object: {error}", path.display()),
                )
            })?;
        }
        for argument in &propose.params {
            let (name, json) = argument.split_once('=').ok_or_else(|| {
                Failure::usage(
                    "proposal.parameters",
                    format!("--param {argument}: expected NAME=JSON"),
                )
            })?;
            // What is no JSON is meant as a string: shells eat quotes.
            let value = serde_json::from_str(json).unwrap_or_else(|_| json.into());
            rest.insert(name.to_owned(), value);
        }
        Ok(Self { rest })
    }

    /// Takes a parameter out, read as what the kind expects.
    fn take<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        self.rest
            .remove(name)
            .map(serde_json::from_value)
            .transpose()
            .map_err(|error| {
                Failure::usage("proposal.parameters", format!("--param {name}: {error}"))
            })
    }
}

fn action(
    propose: &Propose,
    parameters: &mut Parameters,
    state: &State,
    session: &Session,
) -> Result<Action, Failure> {
    Ok(match propose.kind {
        ProposalKind::AuthorizeModel => {
            Action::AuthorizeModel(grant(propose, parameters, session)?)
        }
        ProposalKind::AuthorizeAgent => {
            Action::AuthorizeAgent(grant(propose, parameters, session)?)
        }
        ProposalKind::RevokeModel => Action::RevokeModel(revocation(propose, parameters, state)?),
        ProposalKind::RevokeAgent => Action::RevokeAgent(revocation(propose, parameters, state)?),
        ProposalKind::RevokeDelegation => {
            Action::RevokeDelegation(revocation(propose, parameters, state)?)
        }
        ProposalKind::UpdatePolicy => Action::UpdatePolicy {
            policy: Box::new(super::init::read_policy(
                file(propose, "the new policy")?,
                state.policy(),
            )?),
        },
        ProposalKind::AddNode => Action::AddNode(new_node(propose, parameters, session)?),
        ProposalKind::RemoveNode => Action::RemoveNode {
            node: resolve::node(state, subject_text(propose)?)?,
        },
        ProposalKind::EmergencyFreeze => Action::EmergencyFreeze {
            target: freeze_target(propose)?,
            until: end(propose, session).ok_or_else(|| {
                Failure::usage(
                    "freeze.until",
                    "expected --expires or --duration: a freeze ends",
                )
            })?,
        },
        ProposalKind::LiftFreeze => Action::LiftFreeze {
            target: freeze_target(propose)?,
        },
        ProposalKind::Delegation => Action::Delegation(DelegationTerms {
            parent: parent(parameters, state)?,
            terms: grant(propose, parameters, session)?,
        }),
        ProposalKind::ReinstateNode => Action::ReinstateNode(new_key(propose, state, session)?),
        ProposalKind::ReplaceKey => Action::ReplaceKey(new_key(propose, state, session)?),
    })
}

fn subject_text(propose: &Propose) -> Result<&str, Failure> {
    propose.subject.as_deref().ok_or_else(|| {
        Failure::usage(
            "proposal.subject",
            format!("{} needs a SUBJECT", propose.kind),
        )
    })
}

fn subject(propose: &Propose) -> Result<Subject, Failure> {
    let text = subject_text(propose)?;
    text.parse()
        .map_err(|error| Failure::usage("proposal.subject", format!("{text:?}: {error}")))
}

fn file<'a>(propose: &'a Propose, what: &str) -> Result<&'a PathBuf, Failure> {
    propose.file.as_ref().ok_or_else(|| {
        Failure::usage(
            "proposal.file",
            format!("{} needs --file FILE, {what}", propose.kind),
        )
    })
}

fn end(propose: &Propose, session: &Session) -> Option<Timestamp> {
    let duration = propose.duration;
    propose
        .expires
        .or_else(|| duration.map(|duration| session.now().saturating_add(duration)))
}

fn grant(
    propose: &Propose,
    parameters: &mut Parameters,
    session: &Session,
) -> Result<GrantTerms, Failure> {
    let mut scope = Scope::unrestricted();
    for argument in &propose.scope {
        let bad = |problem: String| {
            Failure::usage("proposal.scope", format!("--scope {argument}: {problem}"))
        };
        let (key, value) = argument
            .split_once('=')
            .ok_or_else(|| bad("expected KEY=VALUE".to_owned()))?;
        scope
            .allow(key, value)
            .map_err(|error| bad(error.to_string()))?;
    }
    Ok(GrantTerms {
        artifact_digest: parameters.take("artifact_digest")?,
        expires_at: end(propose, session),
        not_before: propose.not_before,
        scope,
        subject: subject(propose)?,
    })
}

fn parent(parameters: &mut Parameters, state: &State) -> Result<GrantId, Failure> {
    let text = parameters
        .take::<String>("parent")?
        .ok_or_else(|| Failure::usage("delegation.parent", "expected --param parent=GRANT_ID"))?;
    resolve::grant(state, &text)
}

fn revocation(
    propose: &Propose,
    parameters: &mut Parameters,
    state: &State,
) -> Result<RevocationTerms, Failure> {
    let grant_id = parameters
        .take::<String>("grant_id")?
        .map(|text| resolve::grant(state, &text))
        .transpose()?;
    Ok(RevocationTerms {
        grant_id,
        subject: subject(propose)?,
    })
}

fn freeze_target(propose: &Propose) -> Result<FreezeTarget, Failure> {
    let text = subject_text(propose)?;
    FreezeTarget::try_from(text.to_owned())
        .map_err(|error| Failure::usage("proposal.subject", format!("{text:?}: {error}, or *")))
}

fn export(propose: &Propose, session: &Session) -> Result<PublicKeyExport, Failure> {
    let file = file(propose, "a public key export")?;
    public_key(&file.to_string_lossy(), session)
}

fn new_node(
    propose: &Propose,
    parameters: &mut Parameters,
    session: &Session,
) -> Result<NewNode, Failure> {
    let export = export(propose, session)?;
    let (did, name) = (export.node_id(), node_name(&export)?);
    if let Some(text) = propose.subject.as_deref()
        && text != did.to_string()
        && text != name.as_str()
    {
        return Err(Failure::usage(
            "proposal.subject",
            format!("{text:?} is neither the id nor the name in the key export, {did} and {name}"),
        ));
    }
    Ok(NewNode {
        key: export.public_key().clone(),
        name,
        node: did,
        possession: export.into_signed().signature,
        weight: parameters.take("weight")?.unwrap_or(Weight::ONE),
    })
}

fn new_key(propose: &Propose, state: &State, session: &Session) -> Result<NewKey, Failure> {
    let export = export(propose, session)?;
    Ok(NewKey {
        key: export.public_key().clone(),
        key_name: node_name(&export)?,
        node: resolve::node(state, subject_text(propose)?)?,
        possession: export.into_signed().signature,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("15m", Some(900)),
            ("12h", Some(43_200)),
            ("30d", Some(2_592_000)),
            ("0s", Some(0)),
            ("", None),
            ("d", None),
            ("30", None),
            ("36500d", Some(36_500 * 86_400)),
            ("36501d", None),
            ("-1d", None),
            ("1é", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(
                parse_duration(text).ok().map(Seconds::get),
                seconds,
                "{text}"
            );
        }
    }
}
