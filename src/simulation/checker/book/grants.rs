//! Grants, the way they were passed on, and freezes over them.

use serde_json::Value;

use super::{Book, Freeze, Paper, Stage, invalid, read, text};
use crate::governance::time::Timestamp;
use crate::simulation::checker::Fault;

use super::due::Outcome;

/// One grant in the books.
pub(super) struct Grant {
    id: String,
    kind: String,
    terms: Value,
    parent: Option<String>,
    revoked: bool,
}

/// A time among the members of a value, in microseconds.
pub(super) fn instant(value: Option<&Value>, name: &str) -> Option<u64> {
    let text = value?.get(name)?.as_str()?;
    Some(text.parse::<Timestamp>().ok()?.as_micros())
}

/// Whether a scope allows nothing that a wider one does not.
fn is_within(inner: &Value, outer: &Value) -> bool {
    let Some(outer) = outer.as_object() else {
        return true;
    };
    outer
        .iter()
        .all(|(key, allowed)| match (inner.get(key), allowed) {
            (Some(Value::Array(some)), Value::Array(all)) => {
                some.iter().all(|one| all.contains(one))
            }
            (Some(Value::Number(less)), Value::Number(more)) => less.as_u64() <= more.as_u64(),
            _ => false,
        })
}

impl Grant {
    fn subject(&self) -> &str {
        self.terms
            .get("subject")
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    /// Whether it was neither revoked nor is over, and has begun, where that matters.
    fn holds(&self, at: u64, begun: bool) -> bool {
        let terms = Some(&self.terms);
        let over = instant(terms, "expires_at").is_some_and(|end| at >= end);
        let early = instant(terms, "not_before").is_some_and(|start| at < start);
        !(self.revoked || over || begun && early)
    }
}

impl Book {
    fn grant(&self, id: &str) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.id == id)
    }

    /// A grant, the one that it was passed on from, and so on.
    fn lineage(&self, id: &str) -> Vec<&Grant> {
        let first = self.grant(id);
        std::iter::successors(first, |grant| self.grant(grant.parent.as_deref()?)).collect()
    }

    /// Whether a part of a grant may be passed on now.
    pub(super) fn may_delegate(&self, action: &Value) -> bool {
        let parent = action.get("parent").and_then(Value::as_str).unwrap_or("");
        let lineage = self.lineage(parent);
        let (Some(first), Some(terms)) = (lineage.first(), action.get("terms")) else {
            return false;
        };
        let depth = self.policy.get("delegation_depth").and_then(Value::as_u64);
        let at = self.now.as_micros();
        let outer = Some(&first.terms);
        let starts = instant(outer, "not_before")
            .is_none_or(|start| instant(Some(terms), "not_before") >= Some(start));
        let ends = instant(outer, "expires_at")
            .is_none_or(|end| instant(Some(terms), "expires_at").is_some_and(|own| own <= end));
        let scopes = (terms.get("scope"), first.terms.get("scope"));
        let narrow = matches!(scopes, (Some(inner), Some(outer)) if is_within(inner, outer));
        let subject = terms.get("subject").and_then(Value::as_str).unwrap_or("");
        first.kind != "model"
            && lineage.iter().all(|grant| grant.holds(at, false))
            && starts
            && ends
            && narrow
            && lineage.len() as u64 <= depth.unwrap_or(0)
            && lineage.iter().all(|grant| grant.subject() != subject)
    }

    /// Those who must not be frozen when a decision is carried out.
    pub(super) fn subjects(&self, paper: &Paper) -> Vec<String> {
        if !paper.grants() {
            return Vec::new();
        }
        let passed_on = self.lineage(paper.member("parent"));
        let mut subjects: Vec<String> = paper.subject().map(str::to_owned).into_iter().collect();
        subjects.extend(passed_on.iter().map(|grant| grant.subject().to_owned()));
        subjects
    }

    /// Whether a freeze is on that covers one of these.
    pub(super) fn is_frozen(&self, subjects: &[String]) -> bool {
        let now = self.now.as_micros();
        let mut on = self.freezes.iter().filter(|freeze| now < freeze.until);
        on.any(|freeze| freeze.covers(subjects))
    }

    /// How long one of these has been frozen since a time: second by second would do, but between two
    /// ends of freezes nothing changes.
    pub(super) fn frozen_micros(&self, subjects: &[String], from: u64) -> u64 {
        let now = self.now.as_micros();
        let covering: Vec<&Freeze> = (self.freezes.iter())
            .filter(|freeze| freeze.covers(subjects))
            .collect();
        let ends = covering
            .iter()
            .flat_map(|freeze| [freeze.from, freeze.until]);
        let mut times: Vec<u64> = ends.chain([from, now]).collect();
        times.retain(|time| (from..=now).contains(time));
        times.sort_unstable();
        let pieces = times.windows(2).filter(|piece| {
            let on = |freeze: &&&Freeze| freeze.from <= piece[0] && piece[0] < freeze.until;
            covering.iter().any(|freeze| on(&freeze))
        });
        pieces.map(|piece| piece[1] - piece[0]).sum()
    }

    /// The freezes that are on and that a proposal would lift.
    pub(super) fn freezes_on(&self, paper: &Paper) -> Vec<String> {
        let now = self.now.as_micros();
        let target = paper.member("target");
        let on = self
            .freezes
            .iter()
            .filter(|freeze| freeze.from <= now && now < freeze.until && freeze.target == target);
        on.map(|freeze| freeze.proposal.clone()).collect()
    }

    /// Whether a freeze follows another one on something of the same within as long again as that
    /// one lasted.
    pub(super) fn refreezes(&self, action: &Value) -> bool {
        let target = action.get("target").and_then(Value::as_str).unwrap_or("");
        let now = self.now.as_micros();
        self.freezes.iter().any(|freeze| {
            let same = target == "*" || freeze.target == "*" || freeze.target == target;
            let lasted = freeze.until.saturating_sub(freeze.from);
            same && now < freeze.until.saturating_add(lasted)
        })
    }

    /// Whether everything of the kind that a proposal would grant was revoked since it was opened.
    pub(super) fn is_revoked_since(&self, paper: &Paper) -> bool {
        let mut revoked = self.revoked.iter();
        paper.grants()
            && revoked.any(|(kind, subject, line)| {
                paper.grants_kind() == kind
                    && paper.subject() == Some(subject)
                    && *line > paper.line
            })
    }

    pub(super) fn authorization_granted(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "grant_id")?;
        self.carry_out(id, Outcome::Effect("authorization_granted"))?;
        let paper = self.papers.get(id);
        let (terms, kind) = (data.get("terms"), text(&data, "kind")?);
        let promised = paper.and_then(Paper::terms);
        let parent = data.get("parent").and_then(Value::as_str);
        let of = paper.map_or("", |paper| paper.member("parent"));
        let same = terms.is_some_and(|terms| {
            let mut promised = promised.cloned().unwrap_or_default();
            if let Some(members) = promised.as_object_mut() {
                members.remove("kind");
            }
            *terms == promised
        });
        if !same || parent.unwrap_or("") != of || paper.map(Paper::grants_kind) != Some(kind) {
            return Err(invalid(format!("{id} grants something else")));
        }
        self.grants.push(Grant {
            id: id.to_owned(),
            kind: kind.to_owned(),
            terms: terms.cloned().unwrap_or_default(),
            parent: parent.map(str::to_owned),
            revoked: false,
        });
        Ok(())
    }

    pub(super) fn authorization_revoked(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        self.carry_out(id, Outcome::Effect("authorization_revoked"))?;
        let (kind, subject) = (text(&data, "kind")?, text(&data, "subject")?);
        let paper = self.papers.get(id);
        let named = paper.map_or("", |paper| paper.member("grant_id"));
        let asked = paper.is_some_and(|paper| {
            paper.kind() == format!("revoke-{kind}") && paper.member("subject") == subject
        });
        let mut ended = Vec::new();
        for grant in &mut self.grants {
            let meant = named.is_empty() || grant.id == named;
            if !grant.revoked && grant.kind == kind && grant.subject() == subject && meant {
                grant.revoked = true;
                ended.push(Value::from(grant.id.clone()));
            }
        }
        if !asked || data.get("grant_ids") != Some(&Value::from(ended)) {
            return Err(invalid(format!("{id} revokes something else")));
        }
        if named.is_empty() {
            let entry = (kind.to_owned(), subject.to_owned(), self.lines);
            self.revoked.push(entry);
        }
        Ok(())
    }

    pub(super) fn freeze_imposed(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        self.carry_out(id, Outcome::Effect("freeze_imposed"))?;
        let action = self.papers.get(id).map(Paper::action);
        for member in ["target", "until"] {
            if action.and_then(|action| action.get(member)) != data.get(member) {
                return Err(invalid(format!("{id} freezes with another {member}")));
            }
        }
        self.freezes.push(Freeze {
            proposal: id.to_owned(),
            target: text(&data, "target")?.to_owned(),
            from: self.now.as_micros(),
            until: instant(Some(&data), "until").unwrap_or(0),
        });
        Ok(())
    }

    pub(super) fn freeze_lifted(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        let on = self.papers.get(id).map(|paper| self.freezes_on(paper));
        self.carry_out(id, Outcome::Effect("freeze_lifted"))?;
        let on = on.unwrap_or_default();
        if data.get("freezes") != Some(&Value::from(on.clone())) {
            return Err(invalid(format!("{id} lifts other freezes")));
        }
        let now = self.now.as_micros();
        let lifted = self.freezes.iter_mut();
        for freeze in lifted.filter(|freeze| on.contains(&freeze.proposal)) {
            freeze.until = now;
        }
        Ok(())
    }

    /// A prediction names the first grant that allows it, or says that there is none.
    pub(super) fn prediction_recorded(&self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let prediction = data.get("prediction").cloned().unwrap_or_default();
        let model = text(&prediction, "model")?;
        let now = self.now.as_micros();
        let frozen = self.is_frozen(&[model.to_owned()]);
        let allows = |grant: &&Grant| {
            let scope = grant.terms.get("scope").and_then(Value::as_object);
            let admits = scope.into_iter().flatten().all(|(key, allowed)| {
                let value = prediction.get("context").and_then(|all| all.get(key));
                let set = allowed.as_array();
                set.is_none_or(|set| value.is_some_and(|value| set.contains(value)))
            });
            grant.kind == "model" && grant.subject() == model && grant.holds(now, true) && admits
        };
        let found = self.grants.iter().find(allows).filter(|_| !frozen);
        let expected = found.map_or("unauthorized", |grant| grant.id.as_str());
        if text(&data, "verdict")? != expected {
            let message = format!("a prediction of {model} is not judged {expected}");
            return Err(invalid(message));
        }
        Ok(())
    }

    /// A checkpoint counts the grants that hold.
    pub(super) fn checkpoint_recorded(&self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let now = self.now.as_micros();
        let live = self.grants.iter().filter(|grant| {
            let lineage = self.lineage(&grant.id);
            let subjects: Vec<String> = lineage.iter().map(|it| it.subject().to_owned()).collect();
            lineage.iter().all(|it| it.holds(now, true)) && !self.is_frozen(&subjects)
        });
        if data.get("live_grants").and_then(Value::as_u64) != Some(live.count() as u64) {
            return Err(invalid("a checkpoint counts another number of live grants"));
        }
        Ok(())
    }

    /// Whether a proposal waits that everything of its kind was revoked since, or that new evidence
    /// overtook.
    pub(super) fn is_overtaken(&self, paper: &Paper) -> bool {
        paper.stage != Stage::Over
            && (self.is_revoked_since(paper) || self.is_convicted_since(paper))
    }
}
