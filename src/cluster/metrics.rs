//! The figures of a running node, as Prometheus reads them: its own, then the engine's and the network's.

use std::fmt::Write as _;

use arc_malachitebft_app_channel::app::metrics;

use super::control::Status;

/// All figures of a node.
#[must_use]
pub fn text(status: &Status) -> String {
    let mut text = own(status);
    metrics::export(&mut text);
    text
}

/// What the node says of itself. None of these is a counter: all are what holds now.
fn own(status: &Status) -> String {
    let figures: [(&str, &str, u64); 11] = [
        ("height", "Last decided height.", status.height),
        ("entries", "Entries in the ledger.", status.entries),
        (
            "lag_heights",
            "Heights that any peer claims to be ahead.",
            status.lag,
        ),
        ("round", "Round of the next height.", status.round.into()),
        (
            "waiting_commands",
            "Commands that wait.",
            status.waiting as u64,
        ),
        (
            "idle",
            "1 while nothing is to be decided.",
            status.is_idle.into(),
        ),
        ("peers", "Connected peers.", status.peers as u64),
        ("validators", "Nodes that decide.", status.validators as u64),
        (
            "validator",
            "1 where this node decides.",
            status.is_validator.into(),
        ),
        (
            "weight",
            "Weight of this node among those that decide.",
            status.weight,
        ),
        (
            "weight_of_all",
            "Weight of all that decide.",
            status.weight_of_all,
        ),
    ];
    let mut text = String::new();
    for (name, help, value) in figures {
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "# HELP althing_{name} {help}\n# TYPE althing_{name} gauge\n\
             althing_{name}{{node=\"{node}\"}} {value}\n",
            node = status.node
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Assembly;

    #[test]
    fn every_figure_is_explained_and_named_once() {
        let assembly = Assembly::of(&[1]);
        let state = assembly.state();
        let status = Status {
            entries: 8,
            head: state.hash(),
            height: 3,
            is_idle: true,
            is_validator: false,
            lag: 0,
            ledger: state.ledger(),
            node: assembly.id(0),
            peers: 2,
            round: 1,
            state_hash: state.hash(),
            validators: 4,
            waiting: 5,
            weight: 0,
            weight_of_all: 6,
        };
        let text = own(&status);
        let lines: Vec<&str> = text.lines().collect();
        let mut names = Vec::new();
        for figure in lines.chunks(3) {
            let [help, kind, value] = figure else {
                panic!("{figure:?}");
            };
            let (name, rest) = value.split_once('{').unwrap();
            assert!(help.starts_with(&format!("# HELP {name} ")), "{help}");
            assert_eq!(*kind, format!("# TYPE {name} gauge"));
            assert!(rest.contains(&status.node.to_string()), "{rest}");
            names.push(name);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len() * 3, lines.len());
        assert!(
            text.contains("} 8\n") && text.contains("althing_idle{"),
            "{text}"
        );
    }
}
