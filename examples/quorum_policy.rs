//! Which quorum? Two policies against a bloc that grows, by simulation.
//!
//! ```sh
//! cargo run --example quorum_policy
//! ```

use althing::simulation::{Base, Grid, PolicyChoice, Scenario, sweep};

const SCENARIO: &str = r#"
name = "Nine hospitals and a bloc"
rounds = 2
interval_seconds = 100000

[[nodes]]
name = "hospital"
count = 9

[[proposals]]
kind = "authorize-model"
honest = { approve = 100 }

[[proposals]]
kind = "authorize-model"
honest = { reject = 100 }

[[adversaries]]
behaviour = "colluding-bloc"
share = "1/3"
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario: Scenario = SCENARIO.parse()?;
    let grid = Grid {
        byzantine: ["0/1", "1/3", "4/9", "2/3"]
            .iter()
            .map(|share| share.parse())
            .collect::<Result<_, _>>()?,
        policies: vec![
            PolicyChoice::default(),
            PolicyChoice {
                base: Base::Uniform,
                approval: Some("1/2".parse()?),
                ..PolicyChoice::default()
            },
        ],
        loss_percent: vec![10],
        latency_ms: vec![100],
        runs: 3,
    };
    println!(
        "{:<24} {:>9} {:>8} {:>8}",
        "policy", "byzantine", "rightly", "wrongly"
    );
    for cell in sweep(&scenario, &grid, &|| {})? {
        println!(
            "{:<24} {:>9} {:>8} {:>8}",
            cell.policy,
            format!("{}/{}", cell.byzantine_weight, cell.total_weight),
            cell.rightly,
            cell.wrongly
        );
        assert_eq!(cell.violations, 0);
    }
    Ok(())
}
