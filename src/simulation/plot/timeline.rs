//! How the weights of one round moved.

use super::canvas::{Anchor, Canvas, FAINT, INK, Panel, nice_step};
use crate::simulation::report::{RoundReport, RunReport, TimelinePoint};

/// The layers, from the ground up: name, colour, and the weight of a point.
type Layer = (&'static str, &'static str, fn(&TimelinePoint) -> u64);

const LAYERS: [Layer; 4] = [
    ("approve", "#0072b2", |point| point.approve),
    ("abstain", "#b8b8b8", |point| point.abstain),
    ("reject", "#d55e00", |point| point.reject),
    ("Byzantine", "#222222", |point| point.byzantine),
];

/// The weights on one round's proposal over time: who approved, abstained, rejected and contradicted
/// itself, of the electorate's whole weight.
///
/// `None` where the run had no such round, or nobody voted in it.
#[must_use]
pub fn timeline_svg(report: &RunReport, round: u64) -> Option<String> {
    let of_round = |point: &&TimelinePoint| point.round == round;
    let points: Vec<&TimelinePoint> = report.timeline.iter().filter(of_round).collect();
    let about = report.rounds.iter().find(|one| one.round == round)?;
    let last = points.last()?;
    let (unit, per_unit) = match last.ms {
        0..=10_000 => ("ms", 1.0),
        10_001..=600_000 => ("seconds", 1000.0),
        600_001..=36_000_000 => ("minutes", 60_000.0),
        _ => ("hours", 3_600_000.0),
    };
    let mut canvas = Canvas::new(
        &format!("Round {round}: {}, {}", about.kind, about.outcome),
        &format!(
            "{}; seed {}; policy {}; {} signatures",
            report.scenario, report.seed, report.policy, report.signatures
        ),
    );
    let end = (last.ms as f64 * 1.04).max(1.0) / per_unit;
    let panel = Panel {
        left: 80.0,
        right: 780.0,
        top: 128.0,
        bottom: 460.0,
        most: (end, last.total.max(1) as f64),
    };
    let whole = (nice_step(last.total as f64)).max(1.0);
    panel.axes(
        &mut canvas,
        (nice_step(end), whole),
        (
            &format!("time since the proposal was opened, {unit}"),
            "Weight",
        ),
    );
    let mut base = vec![0; points.len()];
    for (name, colour, of) in LAYERS {
        let top: Vec<u64> = (points.iter().zip(&base))
            .map(|(point, base)| base + of(point))
            .collect();
        if top != base {
            layer(
                &mut canvas,
                &panel,
                &points,
                (&base, &top),
                (per_unit, colour),
            );
            name_layer(&mut canvas, &panel, (&base, &top), (name, colour));
        }
        base = top;
    }
    thresholds(&mut canvas, &panel, about);
    if let Some(decided) = points.iter().find(|point| point.decided) {
        let x = panel.x(decided.ms as f64 / per_unit);
        canvas.line((x, panel.top - 4.0), (x, panel.bottom), INK, 1.5);
        canvas.styled(
            x - 5.0,
            panel.top + 10.0,
            "decided",
            Anchor::End,
            13,
            INK,
            "600",
        );
    }
    Some(canvas.finish())
}

fn layer(
    canvas: &mut Canvas,
    panel: &Panel,
    points: &[&TimelinePoint],
    (base, top): (&[u64], &[u64]),
    (per_unit, colour): (f64, &str),
) {
    let edge = |heights: &[u64]| -> Vec<(f64, f64)> {
        let mut edge = Vec::new();
        for (index, (point, height)) in points.iter().zip(heights).enumerate() {
            let y = panel.y(*height as f64);
            edge.push((panel.x(point.ms as f64 / per_unit), y));
            let next = points.get(index + 1);
            let until = next.map_or(panel.right, |next| panel.x(next.ms as f64 / per_unit));
            edge.push((until, y));
        }
        edge
    };
    let mut outline = edge(top);
    outline.extend(edge(base).into_iter().rev());
    let path: Vec<String> = outline
        .iter()
        .map(|(x, y)| format!("{x:.1},{y:.1}"))
        .collect();
    canvas.raw(&format!(
        "<polygon points=\"{}\" fill=\"{colour}\" fill-opacity=\"0.82\"/>",
        path.join(" ")
    ));
}

/// Names a layer beside its right end.
fn name_layer(
    canvas: &mut Canvas,
    panel: &Panel,
    (base, top): (&[u64], &[u64]),
    (name, colour): (&str, &str),
) {
    let (Some(base), Some(top)) = (base.last(), top.last()) else {
        return;
    };
    if top > base {
        let middle = f64::midpoint(panel.y(*base as f64), panel.y(*top as f64));
        let label = format!("{name} {}", top - base);
        let x = panel.right + 12.0;
        canvas.styled(x, middle + 4.5, &label, Anchor::Start, 14, colour, "600");
    }
}

fn thresholds(canvas: &mut Canvas, panel: &Panel, about: &RoundReport) {
    let total = about.total_weight as f64;
    let y = panel.y(total * 2.0 / 3.0);
    canvas.dashed((panel.left, y), (panel.right, y), FAINT);
    let label = "2/3 of the weight";
    canvas.text(panel.left + 6.0, y - 6.0, label, Anchor::Start);
}
