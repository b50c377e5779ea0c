//! Which proposals pass, against the weight of adversaries, for each policy.

use super::canvas::{Anchor, COLOURS, Canvas, FAINT, Panel, apart};
use crate::simulation::sweep::Cell;

/// One line of the figure.
struct Series {
    name: String,
    /// Share of adversaries, and shares of wanted and of unwanted proposals that passed, in percent.
    points: Vec<(f64, f64, f64)>,
}

/// The decision rate against the weight of adversaries: proposals that honest nodes wanted and that
/// passed on the left, those that they did not want and that passed all the same on the right; a line
/// for each policy and network.
#[must_use]
pub fn decisions_svg(cells: &[Cell]) -> String {
    let series = series(cells);
    let runs = cells.iter().map(|cell| cell.runs).max().unwrap_or(0);
    let rounds: u64 = cells.iter().map(|cell| cell.rounds).sum();
    let signatures = cells.first().map_or("", |cell| cell.signatures);
    let mut canvas = Canvas::new(
        "What adversaries can stop, and what they can take",
        &format!(
            "{rounds} rounds; {runs} runs per point; {signatures} signatures; adversaries vote \
             against the honest nodes"
        ),
    );
    let most_share = series
        .iter()
        .flat_map(|one| one.points.iter().map(|point| point.0))
        .fold(10.0_f64, f64::max);
    let panel = |left: f64, right: f64| Panel {
        left,
        right,
        top: 128.0,
        bottom: 460.0,
        most: (most_share, 100.0),
    };
    let rightly = panel(70.0, 400.0);
    let wrongly = panel(460.0, 790.0);
    for (panel, title) in [
        (rightly, "Wanted proposals that pass, %"),
        (wrongly, "Unwanted proposals that pass, %"),
    ] {
        panel.axes(
            &mut canvas,
            (20.0, 20.0),
            ("weight of adversaries, %", title),
        );
        third(&mut canvas, &panel);
    }
    for (number, one) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let line = |panel: &Panel, of: &dyn Fn(&(f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
            let points = one.points.iter();
            points
                .map(|point| (panel.x(point.0), panel.y(of(point))))
                .collect()
        };
        for points in [
            line(&rightly, &|point| point.1),
            line(&wrongly, &|point| point.2),
        ] {
            canvas.polyline(&points, colour);
            for point in points {
                canvas.mark(number, point, colour);
            }
        }
    }
    label(&mut canvas, &series, &wrongly);
    canvas.finish()
}

/// The line that theory draws.
fn third(canvas: &mut Canvas, panel: &Panel) {
    let x = panel.x(100.0 / 3.0);
    if x < panel.right {
        canvas.dashed((x, panel.top), (x, panel.bottom), FAINT);
        canvas.text(x + 6.0, panel.top + 16.0, "1/3", Anchor::Start);
    }
}

/// Names the lines at their right ends.
fn label(canvas: &mut Canvas, series: &[Series], panel: &Panel) {
    let ends: Vec<f64> = series
        .iter()
        .map(|one| panel.y(one.points.last().map_or(0.0, |point| point.2)))
        .collect();
    let heights = apart(&ends, 34.0, panel.bottom);
    for (number, (one, y)) in series.iter().zip(heights).enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        canvas.mark(number, (panel.right + 16.0, y), colour);
        for (line, part) in one.name.split(", ").enumerate() {
            let y = y + 4.5 + 15.0 * line as f64;
            canvas.styled(
                panel.right + 26.0,
                y,
                part,
                Anchor::Start,
                13,
                colour,
                "600",
            );
        }
    }
}

fn series(cells: &[Cell]) -> Vec<Series> {
    let varied = |of: &dyn Fn(&Cell) -> u64| {
        let mut values: Vec<u64> = cells.iter().map(of).collect();
        values.sort_unstable();
        values.dedup();
        values.len() > 1
    };
    let by_loss = varied(&|cell| cell.loss_percent);
    let by_latency = varied(&|cell| cell.latency_ms);
    let mut series: Vec<Series> = Vec::new();
    for cell in cells {
        let mut name = cell.policy.clone();
        if by_loss {
            name.push_str(&format!(", {} % lost", cell.loss_percent));
        }
        if by_latency {
            name.push_str(&format!(", {} ms", cell.latency_ms));
        }
        let point = (
            100.0 * cell.byzantine_weight as f64 / cell.total_weight.max(1) as f64,
            100.0 * cell.wanted_passed as f64 / cell.wanted.max(1) as f64,
            100.0 * cell.unwanted_passed as f64 / cell.unwanted.max(1) as f64,
        );
        match series.iter_mut().find(|one| one.name == name) {
            Some(one) => one.points.push(point),
            None => series.push(Series {
                name,
                points: vec![point],
            }),
        }
    }
    series
}
