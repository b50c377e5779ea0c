//! The founding of the simulated group.

use crate::governance::founding::{Founder, Founding};
use crate::governance::genesis::Genesis;
use crate::governance::statement::Statement;
use crate::simulation::Broken;
use crate::simulation::clock::instant;
use crate::simulation::scenario::{Member, Scenario};
use crate::simulation::signer::Signer;

/// The founding, signed by every founder.
pub(super) fn genesis(
    scenario: &Scenario,
    members: &[Member],
    signers: &[Signer],
) -> Result<Genesis, Broken> {
    let founding = members
        .iter()
        .zip(signers)
        .filter(|(member, _)| member.founder);
    let mut founders = Vec::new();
    for (member, signer) in founding.clone() {
        founders.push(Founder {
            did: signer.node(),
            name: member.name.parse().map_err(Broken::new)?,
            weight: member.weight,
        });
    }
    let statement = Statement::new(Founding {
        created_at: instant(0),
        founders,
        name: "Simulation".parse().map_err(Broken::new)?,
        nonce: scenario.seed.to_string().parse().map_err(Broken::new)?,
        policy: scenario.policy.policy(),
    })
    .map_err(Broken::new)?;
    let message = statement.message();
    let mut signatures = Vec::new();
    for (_, signer) in founding {
        signatures.push((signer.key().clone(), signer.sign_message(&message)?));
    }
    Ok(Genesis {
        statement,
        founders: signatures,
    })
}
