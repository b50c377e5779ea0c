//! Which sums the weights of an electorate have.

use super::electorate::blocs;
use super::{MAX_HALVED_NODES, MAX_TABLE_TOTAL};

/// The sums that the weights of an electorate have.
pub(super) enum Sums {
    /// For each sum up to the total the weight that made it: without that weight it is the sum of
    /// other nodes. `None` where no nodes have this sum.
    Table(Vec<Option<u64>>),
    /// The sums of one half of the nodes and of the other, each in ascending order with the nodes
    /// behind it.
    Halves([Vec<(u64, Vec<u64>)>; 2]),
    /// Too many to know.
    Unknown,
}

impl Sums {
    pub(super) fn of(weights: &[u64], total: u64) -> Self {
        match usize::try_from(total) {
            Ok(size) if total <= MAX_TABLE_TOTAL => Self::Table(table(weights, size)),
            _ if weights.len() <= MAX_HALVED_NODES => {
                let (one, other) = weights.split_at(weights.len() / 2);
                Self::Halves([all_sums(one), all_sums(other)])
            }
            _ => Self::Unknown,
        }
    }

    pub(super) const fn are_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// The weights of the lightest nodes that together have at least this weight; `None` where
    /// that is unknown, or more than all have.
    pub(super) fn lightest(&self, at_least: u64) -> Option<Vec<u64>> {
        match self {
            Self::Table(made_by) => lightest_in_table(made_by, at_least),
            Self::Halves([one, other]) => lightest_of_halves(one, other, at_least),
            Self::Unknown => None,
        }
    }
}

/// All sums up to `total`, one pass for each different weight, of which there are few: their sum
/// is at most the total.
fn table(weights: &[u64], total: usize) -> Vec<Option<u64>> {
    let mut made_by = vec![None; total + 1];
    made_by[0] = Some(0);
    for bloc in blocs(weights) {
        let Ok(weight) = usize::try_from(bloc.weight) else {
            continue;
        };
        // How many nodes of this weight a sum takes; none where it was there before.
        let mut used = vec![0; total + 1];
        for sum in weight..=total {
            let rest = sum - weight;
            if made_by[sum].is_none() && made_by[rest].is_some() && used[rest] < bloc.nodes {
                made_by[sum] = Some(bloc.weight);
                used[sum] = used[rest] + 1;
            }
        }
    }
    made_by
}

fn lightest_in_table(made_by: &[Option<u64>], at_least: u64) -> Option<Vec<u64>> {
    let from = usize::try_from(at_least).ok()?;
    let mut sum = (from..made_by.len()).find(|sum| made_by[*sum].is_some())?;
    let mut members = Vec::new();
    while sum > 0 {
        let weight = made_by[sum]?;
        members.push(weight);
        sum = sum.checked_sub(usize::try_from(weight).ok()?)?;
    }
    Some(members)
}

/// The sums of all subsets of at most half of [`MAX_HALVED_NODES`] nodes.
fn all_sums(weights: &[u64]) -> Vec<(u64, Vec<u64>)> {
    let mut all = vec![(0, Vec::new())];
    for weight in weights {
        let with: Vec<(u64, Vec<u64>)> = (all.iter())
            .map(|(sum, members)| {
                let mut members = members.clone();
                members.push(*weight);
                (sum + weight, members)
            })
            .collect();
        all.extend(with);
    }
    all.sort();
    all
}

/// One pass upwards through one half's sums, downwards through the other's.
fn lightest_of_halves(
    one: &[(u64, Vec<u64>)],
    other: &[(u64, Vec<u64>)],
    at_least: u64,
) -> Option<Vec<u64>> {
    let mut down = other.iter().rev().peekable();
    let mut candidate = None;
    let mut best: Option<(u64, [&[u64]; 2])> = None;
    for (sum, members) in one {
        while let Some(found) = down.next_if(|(rest, _)| sum + rest >= at_least) {
            candidate = Some(found);
        }
        if let Some((rest, others)) = candidate
            && best.is_none_or(|(lightest, _)| sum + rest < lightest)
        {
            best = Some((sum + rest, [members, others]));
        }
    }
    best.map(|(_, parts)| parts.concat())
}
