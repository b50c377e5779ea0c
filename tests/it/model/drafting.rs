//! From steps to orders.

use althing::governance::ballot::{Ballot, Decision};
use althing::governance::consensus::{ConsensusPlace, ConsensusStep};
use althing::governance::digest::Digest;
use althing::governance::id::{LedgerId, NodeId, ProposalId, VoteId};
use althing::governance::key::Signature;
use althing::governance::kind::AuthorizationKind;
use althing::governance::label::Prose;
use althing::governance::possession::KeyPossession;
use althing::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, NewKey, NewNode, Proposal, RevocationTerms,
    Rotation, Withdrawal,
};
use althing::governance::scope::Scope;
use althing::governance::time::Timestamp;
use althing::governance::tree_head::Origin;
use althing::governance::weight::Weight;
use althing::testing::model::{Key, Told, ToldHeads, ToldKey, WrongClaim};
use althing::testing::{actions, prediction};
use uuid::Uuid;

use super::equivocations::Said;
use super::forks::Fork;
use super::orders::{Order, What, genesis_symbol, signer, symbol};
use super::rules::seconds;
use super::steps::{Claim, Matter, Step, Terms, Twist, Whom};
use super::world::{NOWHERE, World, node_id, proposal_id};

/// Makes the orders of one step.
pub struct Drafting<'a> {
    world: &'a World,
    pub ids: u128,
    /// Proposals that come earlier in the same step.
    together: Vec<u32>,
}

fn elsewhere() -> LedgerId {
    LedgerId::of_founding("elsewhere")
}

pub fn subject(whom: Whom) -> althing::governance::id::Subject {
    match whom {
        Whom::Model(number) => actions::model(&number.to_string()),
        Whom::Agent(number) => actions::agent(&number.to_string()),
    }
}

fn target(whom: Option<Whom>) -> FreezeTarget {
    whom.map_or(FreezeTarget::Everything, |whom| {
        FreezeTarget::Subject(subject(whom))
    })
}

/// A key that a statement would register: whose it becomes, under which name it is shown, and
/// whether it is shown at all.
struct Shown {
    key: Key,
    possession: Signature,
    told: ToldKey,
}

fn show(key: Key, name: &str, twist: Option<Twist>) -> Shown {
    let key = match twist {
        Some(Twist::Key(other)) => other,
        _ => key,
    };
    let shown_as = match twist {
        Some(Twist::OtherName) => "another",
        _ => name,
    };
    let holder = signer(key);
    let statement = KeyPossession::new(holder.key().clone(), shown_as).expect("a name");
    let possession = match twist {
        Some(Twist::NoPossession) => Signature::new(&[0; 32]).expect("short enough"),
        _ => holder.sign(statement).signature,
    };
    let told = ToldKey {
        key,
        gives: holder.node(),
        possession: !matches!(twist, Some(Twist::NoPossession | Twist::OtherName)),
    };
    Shown {
        key,
        possession,
        told,
    }
}

impl<'a> Drafting<'a> {
    pub const fn of(world: &'a World) -> Self {
        Self {
            world,
            ids: world.ids,
            together: Vec::new(),
        }
    }

    const fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128((1 << 64) + self.ids)
    }

    fn now(&self) -> Timestamp {
        self.world.now
    }

    /// The registered key of a node, or its first one where it is not registered.
    fn key_of(&self, number: usize) -> Key {
        let key = self.world.model.key_of(node_id(number));
        key.unwrap_or(number)
    }

    fn knows(&self, label: u32) -> bool {
        self.world.labels.contains_key(&label) || self.together.contains(&label)
    }

    pub fn orders(&mut self, step: &Step) -> Option<Vec<Order>> {
        let order = match step {
            Step::Wait(_) | Step::Early(_) => return None,
            Step::Together(steps) => {
                let mut orders = Vec::new();
                for step in steps {
                    orders.extend(self.orders(step)?);
                }
                return (!orders.is_empty()).then_some(orders);
            }
            Step::Again(back) => {
                let past = self.world.past.iter();
                return past.rev().nth(*back).map(|order| vec![order.clone()]);
            }
            Step::Propose {
                by,
                label,
                matter,
                twist,
            } => self.propose(*by, *label, matter, *twist)?,
            Step::Vote {
                by,
                on,
                decision,
                twist,
            } => self.vote(*by, *on, *decision, *twist)?,
            Step::Withdraw { on, twist } => self.withdraw(*on, *twist)?,
            Step::Close(on) => self.plain(*on, What::Close)?,
            Step::Execute(on) => self.plain(*on, What::Execute)?,
            Step::Rotate { node, key, twist } => self.rotate(*node, *key, *twist)?,
            Step::Accuse { node, on, twist } => self.accuse(*node, *on, *twist)?,
            Step::Predict {
                model,
                in_prod,
                twist,
            } => predict(*model, *in_prod, *twist)?,
            Step::Checkpoint(claim) => checkpoint(*claim),
            Step::Fork { node, grown, twist } => self.fork(*node, *grown, *twist)?,
            Step::Equivocate { node, step, twist } => self.equivocate(*node, *step, *twist)?,
            Step::Recover => Order {
                what: What::Recover,
                told: Told::default(),
            },
        };
        Some(vec![order])
    }

    fn plain(&self, on: u32, what: impl FnOnce(ProposalId) -> What) -> Option<Order> {
        (on == NOWHERE || self.knows(on)).then(|| Order {
            what: what(proposal_id(on)),
            told: Told::default(),
        })
    }

    /// Who signs as a node, where a twist does not say otherwise; `None` where it says the same.
    fn signed_by(&self, number: usize, twist: Option<Twist>) -> Option<Told> {
        let own = self.key_of(number);
        let signed_by = match twist {
            Some(Twist::SignedBy(other)) => Some(self.key_of(other)),
            Some(Twist::FirstKey) => Some(number),
            Some(Twist::Unsigned) => None,
            _ => Some(own),
        };
        let is_other = matches!(twist, Some(Twist::SignedBy(_) | Twist::FirstKey));
        if is_other && signed_by == Some(own) {
            return None;
        }
        Some(Told {
            signed_by,
            ..Told::default()
        })
    }

    fn propose(
        &mut self,
        by: usize,
        label: u32,
        matter: &Matter,
        twist: Option<Twist>,
    ) -> Option<Order> {
        if label == NOWHERE || self.knows(label) {
            return None;
        }
        let (action, new_key) = self.action(matter, twist)?;
        let mut proposal = Proposal {
            created_at: self.now(),
            description: Prose::default(),
            ledger: self.world.ledger,
            parameters: serde_json::Map::new(),
            proposal_id: proposal_id(label),
            proposer: node_id(by),
            title: action.kind().name().parse().expect("a title"),
            action,
        };
        match twist {
            Some(Twist::OtherLedger) => proposal.ledger = elsewhere(),
            Some(Twist::SameId(other)) if self.knows(other) => {
                proposal.proposal_id = proposal_id(other);
            }
            Some(Twist::Parameters(bytes)) => {
                // Quotes, braces, a colon and the key take eleven bytes.
                let text = "x".repeat(bytes.saturating_sub(11));
                proposal.parameters.insert("text".into(), text.into());
            }
            None
            | Some(
                Twist::SignedBy(_)
                | Twist::FirstKey
                | Twist::Unsigned
                | Twist::Nowhere
                | Twist::NoPossession
                | Twist::OtherName
                | Twist::Key(_)
                | Twist::Id(_)
                | Twist::Name(_),
            ) => {}
            Some(_) => return None,
        }
        if proposal.proposal_id == proposal_id(label) {
            self.together.push(label);
        }
        let told = Told {
            new_key,
            ..self.signed_by(by, twist)?
        };
        let what = What::Propose(proposal);
        Some(Order { what, told })
    }

    fn action(&self, matter: &Matter, twist: Option<Twist>) -> Option<(Action, Option<ToldKey>)> {
        let nowhere = twist == Some(Twist::Nowhere);
        let about_keys = matches!(
            matter,
            Matter::AddNode { .. } | Matter::Reinstate { .. } | Matter::ReplaceKey { .. }
        );
        match twist {
            Some(Twist::NoPossession | Twist::OtherName | Twist::Key(_)) if !about_keys => {
                return None;
            }
            Some(Twist::Id(_) | Twist::Name(_)) if !matches!(matter, Matter::AddNode { .. }) => {
                return None;
            }
            _ => {}
        }
        let action = match matter {
            Matter::Authorize(..)
            | Matter::AddNode { .. }
            | Matter::UpdatePolicy(_)
            | Matter::Freeze { .. }
                if nowhere =>
            {
                return None;
            }
            Matter::Authorize(whom, terms) => {
                let terms = self.terms(*whom, *terms);
                match whom {
                    Whom::Model(_) => Action::AuthorizeModel(terms),
                    Whom::Agent(_) => Action::AuthorizeAgent(terms),
                }
            }
            Matter::Delegate { parent, to, terms } => Action::Delegation(DelegationTerms {
                parent: proposal_id(if nowhere { NOWHERE } else { *parent }),
                terms: self.terms(Whom::Agent(*to), *terms),
            }),
            Matter::Revoke { kind, whom, grant } => {
                let grant = if nowhere { Some(NOWHERE) } else { *grant };
                let terms = RevocationTerms {
                    grant_id: grant.map(proposal_id),
                    subject: subject(*whom),
                };
                match kind {
                    AuthorizationKind::Model => Action::RevokeModel(terms),
                    AuthorizationKind::Agent => Action::RevokeAgent(terms),
                    AuthorizationKind::Delegation => Action::RevokeDelegation(terms),
                }
            }
            Matter::AddNode { node, weight } => return add_node(*node, *weight, twist),
            Matter::RemoveNode(node) => actions::remove_node(known(*node, nowhere)),
            Matter::UpdatePolicy(rules) => actions::update_policy(rules.policy()),
            Matter::Freeze {
                whom,
                seconds: length,
            } => Action::EmergencyFreeze {
                target: target(*whom),
                until: self.now().saturating_add(seconds(*length)),
            },
            Matter::Lift(whom) => Action::LiftFreeze {
                target: target(if nowhere {
                    Some(Whom::Model(99))
                } else {
                    *whom
                }),
            },
            Matter::Reinstate { node, key } => {
                let (new, told) = new_key(known(*node, nowhere), *key, twist);
                return Some((Action::ReinstateNode(new), Some(told)));
            }
            Matter::ReplaceKey { node, key } => {
                let (new, told) = new_key(known(*node, nowhere), *key, twist);
                return Some((Action::ReplaceKey(new), Some(told)));
            }
        };
        Some((action, None))
    }

    fn terms(&self, whom: Whom, terms: Terms) -> GrantTerms {
        let later = |offset: u64| self.now().saturating_add(seconds(offset));
        let mut scope = Scope::unrestricted();
        if terms.in_prod {
            scope
                .allow("environment", "prod")
                .expect("a key and a value");
        }
        if let Some(limit) = terms.limit {
            let limit = limit.to_string();
            scope
                .allow("max_rate_qps", &limit)
                .expect("a key and a value");
        }
        GrantTerms {
            scope,
            not_before: terms.starts.map(later),
            expires_at: terms.ends.map(later),
            ..GrantTerms::unrestricted(subject(whom))
        }
    }

    /// A ballot, where the proposal exists.
    fn ballot(&mut self, by: usize, on: u32, decision: Decision) -> Option<Ballot> {
        self.knows(on).then(|| Ballot {
            cast_at: self.now(),
            decision,
            ledger: self.world.ledger,
            proposal_hash: symbol(proposal_id(on)),
            proposal_id: proposal_id(on),
            rationale: Prose::default(),
            vote_id: VoteId::from_uuid(self.next_id()),
            voter: node_id(by),
        })
    }

    fn vote(
        &mut self,
        by: usize,
        on: u32,
        decision: Decision,
        twist: Option<Twist>,
    ) -> Option<Order> {
        let mut ballot = self.ballot(by, on, decision)?;
        match twist {
            Some(Twist::SameVoteId) => ballot.vote_id = *self.world.votes.get(&ballot.voter)?,
            Some(Twist::CastLate(after)) => {
                let deadline = self.world.model.deadline_of(ballot.proposal_id)?;
                ballot.cast_at = deadline.saturating_add(seconds(after));
            }
            _ => misdirect(&mut ballot, twist)?,
        }
        Some(Order {
            what: What::Vote(ballot),
            told: self.signed_by(by, twist)?,
        })
    }

    fn accuse(&mut self, node: usize, on: u32, twist: Option<Twist>) -> Option<Order> {
        let mut first = self.ballot(node, on, Decision::Approve)?;
        let mut second = self.ballot(node, on, Decision::Reject)?;
        let mut told = self.signed_by(node, twist)?;
        told.second_signed_by = match twist {
            Some(Twist::FirstKey) => Some(node),
            _ => Some(self.key_of(node)),
        };
        match twist {
            Some(Twist::Agreeing) => second.decision = first.decision,
            Some(Twist::TwoVoters(other)) => second.voter = node_id(other),
            Some(Twist::TwoHashes) => second.proposal_hash = Digest::of(b"another"),
            Some(Twist::SecondSignedBy(other)) => told.second_signed_by = Some(self.key_of(other)),
            _ => {
                misdirect(&mut first, twist)?;
                misdirect(&mut second, twist)?;
            }
        }
        let what = What::Evidence(first, second);
        Some(Order { what, told })
    }

    fn fork(&self, node: usize, grown: bool, twist: Option<Twist>) -> Option<Order> {
        let mut told = self.signed_by(node, twist)?;
        told.second_signed_by = Some(self.key_of(node));
        let mut origin = Origin {
            ledger: self.world.ledger,
            genesis: genesis_symbol(),
        };
        match twist {
            Some(Twist::OtherLedger) => origin.ledger = elsewhere(),
            Some(Twist::OtherGenesis) => origin.genesis = Digest::of(b"another"),
            Some(Twist::SecondSignedBy(other)) => told.second_signed_by = Some(self.key_of(other)),
            None
            | Some(
                Twist::SignedBy(_)
                | Twist::FirstKey
                | Twist::Unsigned
                | Twist::Nowhere
                | Twist::Agreeing,
            ) => {}
            Some(_) => return None,
        }
        let agreeing = twist == Some(Twist::Agreeing);
        told.heads = ToldHeads {
            other_genesis: twist == Some(Twist::OtherGenesis),
            diverge: grown && !agreeing,
        };
        let node = known(node, twist == Some(Twist::Nowhere));
        let what = What::Fork(Fork::of(node, origin, grown, agreeing));
        Some(Order { what, told })
    }

    fn equivocate(&self, node: usize, step: ConsensusStep, twist: Option<Twist>) -> Option<Order> {
        let mut told = self.signed_by(node, twist)?;
        told.second_signed_by = match twist {
            Some(Twist::SecondSignedBy(other)) => Some(self.key_of(other)),
            _ => Some(self.key_of(node)),
        };
        match twist {
            None
            | Some(
                Twist::OtherLedger
                | Twist::SignedBy(_)
                | Twist::FirstKey
                | Twist::Unsigned
                | Twist::Nowhere
                | Twist::Agreeing
                | Twist::SecondSignedBy(_),
            ) => {}
            Some(_) => return None,
        }
        let ledger = match twist {
            Some(Twist::OtherLedger) => elsewhere(),
            _ => self.world.ledger,
        };
        let place = ConsensusPlace {
            height: 7,
            ledger,
            node: known(node, twist == Some(Twist::Nowhere)),
            round: 1,
            step,
        };
        let what = What::Equivocate(Said::of(place, twist == Some(Twist::Agreeing)));
        Some(Order { what, told })
    }

    fn withdraw(&self, on: u32, twist: Option<Twist>) -> Option<Order> {
        let mut by = *self.world.labels.get(&on)?;
        if let Some(Twist::WithdrawnBy(other)) = twist {
            by = other;
        }
        let mut withdrawal = Withdrawal {
            ledger: self.world.ledger,
            proposal_hash: symbol(proposal_id(on)),
            proposal_id: proposal_id(on),
            proposer: node_id(by),
            withdrawn_at: self.now(),
        };
        match twist {
            Some(Twist::OtherLedger) => withdrawal.ledger = elsewhere(),
            Some(Twist::OtherHash) => withdrawal.proposal_hash = Digest::of(b"another"),
            Some(Twist::Nowhere) => withdrawal.proposal_id = proposal_id(NOWHERE),
            None
            | Some(
                Twist::SignedBy(_) | Twist::FirstKey | Twist::Unsigned | Twist::WithdrawnBy(_),
            ) => {}
            Some(_) => return None,
        }
        Some(Order {
            what: What::Withdraw(withdrawal),
            told: self.signed_by(by, twist)?,
        })
    }

    fn rotate(&self, node: usize, key: usize, twist: Option<Twist>) -> Option<Order> {
        let (new_key, told) = new_key(node_id(node), key, twist);
        let mut rotation = Rotation {
            ledger: self.world.ledger,
            new_key,
            rotated_at: self.now(),
        };
        match twist {
            Some(Twist::OtherLedger) => rotation.ledger = elsewhere(),
            None
            | Some(
                Twist::SignedBy(_)
                | Twist::FirstKey
                | Twist::Unsigned
                | Twist::NoPossession
                | Twist::OtherName
                | Twist::Key(_),
            ) => {}
            Some(_) => return None,
        }
        let told = Told {
            new_key: Some(told),
            ..self.signed_by(node, twist)?
        };
        Some(Order {
            what: What::Rotate(rotation),
            told,
        })
    }
}

fn checkpoint(claim: Option<Claim>) -> Order {
    let wrong_claim = match claim {
        None | Some(Claim::Right) => None,
        Some(Claim::OtherState) => Some(WrongClaim::State),
        Some(Claim::OtherRegistry) => Some(WrongClaim::Registry),
        Some(Claim::OtherRoot | Claim::OtherCount) => Some(WrongClaim::Grants),
    };
    Order {
        what: What::Checkpoint(claim),
        told: Told {
            wrong_claim,
            ..Told::default()
        },
    }
}

fn known(node: usize, nowhere: bool) -> NodeId {
    node_id(if nowhere { NOWHERE as usize } else { node })
}

/// What can be wrong with any ballot.
fn misdirect(ballot: &mut Ballot, twist: Option<Twist>) -> Option<()> {
    match twist {
        Some(Twist::OtherLedger) => ballot.ledger = elsewhere(),
        Some(Twist::OtherHash) => ballot.proposal_hash = Digest::of(b"another"),
        Some(Twist::Nowhere) => ballot.proposal_id = proposal_id(NOWHERE),
        None | Some(Twist::SignedBy(_) | Twist::FirstKey | Twist::Unsigned) => {}
        Some(_) => return None,
    }
    Some(())
}

fn predict(model: usize, in_prod: bool, twist: Option<Twist>) -> Option<Order> {
    let mut report = prediction(&model.to_string());
    if in_prod {
        let context = &mut report.context;
        context
            .set("environment", "prod")
            .expect("a key and a value");
    }
    match twist {
        None => {}
        Some(Twist::TookForEver) => report.duration_ms = Some(1 << 53),
        Some(_) => return None,
    }
    Some(Order {
        what: What::Predict(report),
        told: Told::default(),
    })
}

fn add_node(number: usize, weight: u64, twist: Option<Twist>) -> Option<(Action, Option<ToldKey>)> {
    let name = match twist {
        Some(Twist::Name(other)) => format!("node-{other}"),
        _ => format!("node-{number}"),
    };
    let shown = show(number, &name, twist);
    let node = match twist {
        Some(Twist::Id(other)) => node_id(other),
        _ => node_id(number),
    };
    let new = NewNode {
        key: signer(shown.key).key().clone(),
        name: name.parse().expect("a name"),
        node,
        possession: shown.possession,
        weight: Weight::new(weight)?,
    };
    Some((Action::AddNode(new), Some(shown.told)))
}

fn new_key(node: NodeId, key: Key, twist: Option<Twist>) -> (NewKey, ToldKey) {
    let name = format!("key-{key}");
    let shown = show(key, &name, twist);
    let new = NewKey {
        key: signer(shown.key).key().clone(),
        key_name: name.parse().expect("a name"),
        node,
        possession: shown.possession,
    };
    (new, shown.told)
}
