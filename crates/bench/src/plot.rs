//! Plots: one bar for each subject, from nothing to its median, with a whisker from its least to its most.

use std::fmt::Write;

use crate::report::Report;
use crate::run::Role;

/// Sizes, in pixels.
const WIDTH: f64 = 900.0;
const NAMES: f64 = 370.0;
const NUMBERS: f64 = 70.0;
const HEAD: f64 = 56.0;
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;
const FOOT: f64 = 34.0;
/// About how many lines stand on the axis.
const TICKS: f64 = 6.0;

/// The plot of a report, as SVG.
pub(crate) fn svg(report: &Report) -> String {
    let rows: f64 = report.results.iter().map(|_| ROW).sum();
    let height = HEAD + rows + FOOT;
    let most = report.results.iter().map(|result| result.max).fold(0.0, f64::max);
    let step = step(most / TICKS);
    let end = (most / step).ceil().max(1.0) * step;
    let x = |value: f64| NAMES + value / end * (WIDTH - NAMES - NUMBERS);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"16\" font-weight=\"bold\" fill=\"#1f2933\">{}</text>\n\
         <text x=\"16\" y=\"43\" fill=\"#52606d\">{}</text>\n",
        escape(&report.title()),
        escape("seconds, less is better; bar: median, line: least to most"),
    );
    let mut tick = 0.0;
    while tick <= end + step / 2.0 {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "<line x1=\"{0:.1}\" y1=\"{HEAD}\" x2=\"{0:.1}\" y2=\"{1:.1}\" stroke=\"#e4e7eb\"/>\
             <text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\" fill=\"#52606d\">{3}</text>",
            x(tick),
            HEAD + rows,
            HEAD + rows + 18.0,
            number(tick, step),
        );
        tick += step;
    }
    let mut top = HEAD;
    for result in &report.results {
        let middle = top + ROW / 2.0;
        let color = match result.role {
            Role::Floor => "#9aa5b1",
            Role::Peer => "#e8a33d",
            Role::Ours => "#2a6fbb",
        };
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#1f2933\">{}</text>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{color}\"/>\
             <line x1=\"{:.1}\" y1=\"{middle:.1}\" x2=\"{:.1}\" y2=\"{middle:.1}\" stroke=\"#1f2933\" stroke-width=\"1.5\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#1f2933\">{:.1}</text>",
            NAMES - 10.0,
            middle + 4.5,
            escape(&result.name),
            NAMES,
            middle - BAR / 2.0,
            x(result.median) - NAMES,
            x(result.min),
            x(result.max),
            x(result.max) + 8.0,
            middle + 4.5,
            result.median,
        );
        top += ROW;
    }
    text.push_str("</svg>\n");
    text
}

/// The next of 1, 2, 5, 10, 20, 50, and so on.
fn step(at_least: f64) -> f64 {
    let unit = 10_f64.powf(at_least.max(1e-6).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * unit)
        .find(|step| *step >= at_least)
        .unwrap_or(10.0 * unit)
}

fn number(value: f64, step: f64) -> String {
    if step >= 1.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_on_round_numbers() {
        for (at_least, expected) in
            [(0.7, 1.0), (1.0, 1.0), (1.1, 2.0), (4.0, 5.0), (13.0, 20.0), (0.03, 0.05)]
        {
            assert!((step(at_least) - expected).abs() < 1e-9, "{at_least}: {}", step(at_least));
        }
        assert_eq!(escape("a > b & c"), "a &gt; b &amp; c");
    }
}
