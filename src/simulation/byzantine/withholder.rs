//! Never votes.

use super::{Acting, Occasion};
use crate::simulation::Broken;

#[expect(
    clippy::unnecessary_wraps,
    reason = "every adversary has the same form; this one does nothing"
)]
pub(super) const fn act(_: &Occasion<'_>, _: &mut Acting<'_>) -> Result<(), Broken> {
    Ok(())
}
