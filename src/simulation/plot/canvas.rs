//! A page to draw on: text, lines, panels with axes.

use std::fmt::Write as _;

/// The size of a figure.
pub(super) const WIDTH: f64 = 960.0;
/// The size of a figure.
pub(super) const HEIGHT: f64 = 540.0;

/// Colours of series, in the order of their use.
pub(super) const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333",
];
pub(super) const INK: &str = "#222222";
pub(super) const FAINT: &str = "#6b6b6b";
pub(super) const GRID: &str = "#e4e4e4";

/// Text for XML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Where text stands from its point.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A figure under way.
pub(super) struct Canvas(String);

impl Canvas {
    /// A page with a title and what there is to know besides.
    pub(super) fn new(title: &str, subtitle: &str) -> Self {
        let mut canvas = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
             font-family=\"Inter, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif\">\n\
             <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            escaped(title)
        ));
        canvas.styled(40.0, 46.0, title, Anchor::Start, 24, INK, "600");
        canvas.styled(40.0, 70.0, subtitle, Anchor::Start, 14, FAINT, "400");
        canvas
    }

    /// The finished figure.
    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    pub(super) fn raw(&mut self, element: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "{element}");
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, anchor: Anchor) {
        self.styled(x, y, text, anchor, 13, FAINT, "400");
    }

    #[expect(clippy::too_many_arguments, reason = "place, words and looks")]
    pub(super) fn styled(
        &mut self,
        x: f64,
        y: f64,
        text: &str,
        anchor: Anchor,
        size: u32,
        colour: &str,
        font_weight: &str,
    ) {
        self.raw(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" font-weight=\"{font_weight}\" \
             fill=\"{colour}\" text-anchor=\"{}\">{}</text>",
            anchor.name(),
            escaped(text)
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        self.raw(&format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" \
             stroke-width=\"{width}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    pub(super) fn dashed(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.raw(&format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" \
             stroke-width=\"1.5\" stroke-dasharray=\"5 4\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    pub(super) fn polyline(&mut self, points: &[(f64, f64)], colour: &str) {
        let mut path = String::new();
        for (x, y) in points {
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        self.raw(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\" \
             stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
            path.trim_end()
        ));
    }

    /// A mark whose shape tells series apart without colour.
    pub(super) fn mark(&mut self, series: usize, (x, y): (f64, f64), colour: &str) {
        let look = format!("fill=\"{colour}\" stroke=\"#ffffff\" stroke-width=\"1\"");
        let element = match series % 4 {
            0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" {look}/>"),
            1 => format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" {look}/>",
                x - 4.0,
                y - 4.0
            ),
            2 => format!(
                "<path d=\"M{:.1} {:.1} l5.5 9.5 h-11 z\" {look}/>",
                x,
                y - 5.5
            ),
            _ => format!(
                "<path d=\"M{:.1} {:.1} l5.5 5.5 l-5.5 5.5 l-5.5 -5.5 z\" {look}/>",
                x,
                y - 5.5
            ),
        };
        self.raw(&element);
    }
}

/// A rectangle with axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    /// The values at the right and upper edge; those at the others are 0.
    pub(super) most: (f64, f64),
}

impl Panel {
    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + (self.right - self.left) * value / self.most.0
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * value / self.most.1
    }

    /// Draws the grid, the ticks and what the axes are.
    pub(super) fn axes(&self, canvas: &mut Canvas, ticks: (f64, f64), titles: (&str, &str)) {
        for value in steps(ticks.1, self.most.1) {
            let y = self.y(value);
            canvas.line((self.left, y), (self.right, y), GRID, 1.0);
            canvas.text(self.left - 8.0, y + 4.5, &number(value), Anchor::End);
        }
        for value in steps(ticks.0, self.most.0) {
            let x = self.x(value);
            canvas.line((x, self.bottom), (x, self.bottom + 5.0), FAINT, 1.0);
            canvas.text(x, self.bottom + 21.0, &number(value), Anchor::Middle);
        }
        let corner = (self.right, self.bottom);
        canvas.line((self.left, self.bottom), corner, FAINT, 1.0);
        let middle = f64::midpoint(self.left, self.right);
        let below = self.bottom + 44.0;
        canvas.styled(middle, below, titles.0, Anchor::Middle, 14, INK, "400");
        let above = self.top - 14.0;
        canvas.styled(self.left, above, titles.1, Anchor::Start, 14, INK, "600");
    }
}

fn steps(step: f64, most: f64) -> impl Iterator<Item = f64> {
    (0..=40)
        .map(move |count| f64::from(count) * step)
        .take_while(move |value| *value <= most * 1.0001)
}

/// A step that gives about five ticks, of 1, 2 or 5 times a power of ten.
pub(super) fn nice_step(most: f64) -> f64 {
    let mut step = 0.001;
    let mut factors = [2.0, 2.5, 2.0].iter().cycle();
    while most / step > 6.0 {
        step *= factors.next().copied().unwrap_or(10.0);
    }
    step
}

pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Moves labels apart that would stand on each other: the heights, in the order given.
pub(super) fn apart(wanted: &[f64], distance: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    let mut placed = wanted.to_vec();
    let mut least = f64::MIN;
    for index in &order {
        placed[*index] = wanted[*index].max(least);
        least = placed[*index] + distance;
    }
    // What was pushed out below moves up again.
    let mut most = bottom;
    for index in order.iter().rev() {
        placed[*index] = placed[*index].min(most);
        most = placed[*index] - distance;
    }
    placed
}
