//! How long decisions take.

use super::canvas::{Anchor, COLOURS, Canvas, Panel, apart, nice_step};

/// The share of decisions that were reached within a time, for each of some groups of times in
/// milliseconds.
#[must_use]
pub fn latency_svg(groups: &[(String, Vec<u64>)], note: &str) -> String {
    let mut canvas = Canvas::new("How long a decision takes", note);
    let longest = groups
        .iter()
        .filter_map(|(_, times)| times.iter().max())
        .max()
        .copied()
        .unwrap_or(1)
        .max(1);
    let (unit, per_unit) = match longest {
        0..=10_000 => ("ms", 1.0),
        10_001..=600_000 => ("seconds", 1000.0),
        600_001..=36_000_000 => ("minutes", 60_000.0),
        _ => ("hours", 3_600_000.0),
    };
    let most = longest as f64 / per_unit;
    let panel = Panel {
        left: 80.0,
        right: 730.0,
        top: 128.0,
        bottom: 460.0,
        most: (most, 100.0),
    };
    panel.axes(
        &mut canvas,
        (nice_step(most), 20.0),
        (
            &format!("time from opening to decision, {unit}"),
            "Decisions reached, %",
        ),
    );
    let mut ends = Vec::new();
    for (number, (_, times)) in groups.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let count = sorted.len().max(1) as f64;
        let mut points = vec![(panel.x(0.0), panel.y(0.0))];
        for (reached, time) in sorted.iter().enumerate() {
            let x = panel.x(*time as f64 / per_unit);
            points.push((x, panel.y(100.0 * reached as f64 / count)));
            points.push((x, panel.y(100.0 * (reached + 1) as f64 / count)));
        }
        if !sorted.is_empty() {
            points.push((panel.right, panel.y(100.0)));
        }
        canvas.polyline(&points, colour);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        let at = (panel.x(median as f64 / per_unit), panel.y(50.0));
        canvas.mark(number, at, colour);
        ends.push(panel.y(100.0) + 34.0 * number as f64);
    }
    let heights = apart(&ends, 40.0, panel.bottom);
    for (number, ((name, times), y)) in groups.iter().zip(heights).enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0) as f64 / per_unit;
        canvas.mark(number, (panel.right + 18.0, y), colour);
        canvas.styled(
            panel.right + 28.0,
            y + 4.5,
            name,
            Anchor::Start,
            13,
            colour,
            "600",
        );
        let half = format!("half within {median:.1} {unit}");
        canvas.text(panel.right + 28.0, y + 20.5, &half, Anchor::Start);
    }
    canvas.finish()
}
