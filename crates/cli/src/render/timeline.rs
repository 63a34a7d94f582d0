//! The picture of a simulation: an SVG with a row for each rule, a bar for each point from its backup to its
//! deletion, coloured by the store that it is in, and below how many points there are.
//!
//! Bars of a row lie in as few lanes as they fit into, so that a row's height is the number of points that exist at
//! once. Where bars would be too thin to tell apart, the row shows that number as an area instead. All bars of a
//! row and store are one path: ten years of daily backups take some 34 KB.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use permafrost_domain::retention::RuleName;
use permafrost_domain::simulate::{SimulatedPoint, Simulation, StoreKind};

use crate::render::timeline::lanes::Lanes;
use crate::render::units;

mod lanes;

/// Pixels.
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 176.0;
const RIGHT: f64 = 976.0;
const TOP: f64 = 104.0;
const ROW_GAP: f64 = 18.0;
/// What the bars of all rows share.
const ROWS_HEIGHT: f64 = 360.0;
const MIN_ROW_HEIGHT: f64 = 46.0;
const LANE_HEIGHT: std::ops::RangeInclusive<f64> = 3.0..=11.0;
const SUM_HEIGHT: f64 = 90.0;
/// Bars that are thinner than this on the average cannot be told apart.
const THINNEST_BAR: f64 = 8.0;
/// More bars than this in a row make the picture large and tell nothing more.
const MOST_BARS: usize = 1_000;

const BACKUP: &str = "#e8893b";
const ARCHIVE: &str = "#3f7cac";

const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2933;font-size:12px}\
.t{font-size:18px;font-weight:600}.r{font-size:13px;font-weight:600}.s{font-size:11px;fill:#52606d}\
.g{stroke:#e4e7eb;fill:none}.l{stroke:#9aa5b1;fill:none}";

/// What a timeline shows beside the points.
pub(crate) struct Caption<'a> {
    /// The first line.
    pub(crate) title: &'a str,
    /// The second line.
    pub(crate) subtitle: &'a str,
    /// What the policy says of a rule, in a few words.
    pub(crate) rule: &'a dyn Fn(RuleName) -> String,
}

/// The picture of the points of `simulation` between two moments.
pub(crate) fn timeline(
    caption: &Caption<'_>,
    simulation: &Simulation,
    from: Timestamp,
    until: Timestamp,
) -> String {
    let scale = Scale { from, until };
    let rows: Vec<Row<'_>> =
        RuleName::ALL.into_iter().filter_map(|rule| Row::of(rule, simulation, scale)).collect();
    let lanes: usize = rows.iter().map(|row| row.lanes.count()).sum();
    #[expect(clippy::cast_precision_loss, reason = "a number of lanes")]
    let lane_height = (ROWS_HEIGHT / lanes.max(1) as f64).clamp(*LANE_HEIGHT.start(), *LANE_HEIGHT.end());

    let mut drawing = Drawing { text: String::new(), y: TOP };
    let grid_at = drawing.text.len();
    for row in &rows {
        drawing.row(row, caption, lane_height, scale);
    }
    drawing.sum(simulation, scale);
    let grid = grid(scale, drawing.y);
    drawing.text.insert_str(grid_at, &grid);
    drawing.finish(caption)
}

/// Where a moment lies between left and right.
#[derive(Clone, Copy)]
struct Scale {
    from: Timestamp,
    until: Timestamp,
}

impl Scale {
    fn x(self, moment: Timestamp) -> f64 {
        let seconds = |span: jiff::SignedDuration| span.as_secs_f64();
        let share = seconds(moment.duration_since(self.from))
            / seconds(self.until.duration_since(self.from)).max(1.0);
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }
}

/// The points of a rule.
struct Row<'a> {
    rule: RuleName,
    points: Vec<&'a SimulatedPoint>,
    lanes: Lanes,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bars,
    Area,
}

impl<'a> Row<'a> {
    fn of(rule: RuleName, simulation: &'a Simulation, scale: Scale) -> Option<Self> {
        let points: Vec<_> = simulation.points.iter().filter(|point| point.rule() == rule).collect();
        if points.is_empty() {
            return None;
        }
        let lanes =
            Lanes::of(points.iter().map(|point| (point.time, point.deleted_on.unwrap_or(Timestamp::MAX))));
        let width =
            |point: &&SimulatedPoint| scale.x(point.deleted_on.unwrap_or(scale.until)) - scale.x(point.time);
        #[expect(clippy::cast_precision_loss, reason = "a number of points")]
        let mean_width = points.iter().map(width).sum::<f64>() / points.len() as f64;
        #[expect(clippy::cast_precision_loss, reason = "a number of lanes")]
        let fits = lanes.count() as f64 * LANE_HEIGHT.start() <= ROWS_HEIGHT;
        let few = points.len() <= MOST_BARS;
        let form = if few && fits && mean_width >= THINNEST_BAR { Form::Bars } else { Form::Area };
        Some(Self { rule, points, lanes, form })
    }
}

struct Drawing {
    text: String,
    y: f64,
}

impl Drawing {
    fn row(&mut self, row: &Row<'_>, caption: &Caption<'_>, lane_height: f64, scale: Scale) {
        #[expect(clippy::cast_precision_loss, reason = "a number of lanes")]
        let height = match row.form {
            Form::Bars => row.lanes.count() as f64 * lane_height,
            Form::Area => 0.0,
        };
        let height = height.max(MIN_ROW_HEIGHT);
        let (top, bottom) = (self.y, self.y + height);
        let made = row.points.len();
        let points = if made == 1 { "point" } else { "points" };
        self.say(16.0, top + 13.0, "r", row.rule.as_str());
        self.say(16.0, top + 28.0, "s", &(caption.rule)(row.rule));
        self.say(16.0, top + 42.0, "s", &format!("{} {points}", units::count(made as u64)));
        match row.form {
            Form::Bars => self.bars(row, lane_height, scale),
            Form::Area => {
                self.area(&row.points, bottom, height, scale);
            }
        }
        self.add(&format!("<path class=\"l\" d=\"M{LEFT} {bottom:.1}H{RIGHT}\"/>\n"));
        self.y = bottom + ROW_GAP;
    }

    /// A bar for each point, the newest lane at the bottom.
    fn bars(&mut self, row: &Row<'_>, lane_height: f64, scale: Scale) {
        let (mut backup, mut archive, mut made) = (String::new(), String::new(), String::new());
        let height = (lane_height * 0.8).max(2.0);
        for (point, lane) in row.points.iter().zip(row.lanes.of_intervals()) {
            #[expect(clippy::cast_precision_loss, reason = "a number of lanes")]
            let y = self.y + (*lane as f64 + 0.5) * lane_height;
            let end = scale.x(point.deleted_on.unwrap_or(scale.until));
            let start = scale.x(point.time);
            let moved = match point.archive_until() {
                Some(_) => scale.x(point.retention.backup_store_until).min(end),
                None => end,
            };
            line(&mut backup, start, moved, y);
            line(&mut archive, moved, end, y);
            line(&mut made, start, (start + 1.2).min(RIGHT), y);
        }
        for (path, colour) in [(backup, BACKUP), (archive, ARCHIVE), (made, "#7b341e")] {
            if !path.is_empty() {
                self.add(&format!(
                    "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"{height:.1}\" d=\"{path}\"/>\n"
                ));
            }
        }
    }

    /// The number of points in each store over time, one above the other; answers the highest number.
    fn area(&mut self, points: &[&SimulatedPoint], bottom: f64, height: f64, scale: Scale) -> usize {
        let samples = samples(points, scale);
        let most = samples.iter().map(|sample| sample.backup + sample.archive).max().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "a number of points")]
        let y = |count: usize| bottom - height * count as f64 / most.max(1) as f64;
        for (colour, count) in [
            (ARCHIVE, (|sample| sample.backup + sample.archive) as fn(&Sample) -> usize),
            (BACKUP, |sample| sample.backup),
        ] {
            if samples.iter().all(|sample| count(sample) == 0) {
                continue;
            }
            let mut path = format!("M{LEFT} {bottom:.1}");
            let mut last = None;
            for sample in &samples {
                let count = count(sample);
                if last != Some(count) {
                    let _ = write!(path, "H{:.0}V{:.1}", sample.x, y(count));
                    last = Some(count);
                }
            }
            let _ = write!(path, "H{RIGHT}V{bottom:.1}Z");
            self.add(&format!("<path fill=\"{colour}\" d=\"{path}\"/>\n"));
        }
        self.say_end(LEFT - 6.0, bottom - height + 9.0, &units::count(most as u64));
        self.say_end(LEFT - 6.0, bottom, "0");
        most
    }

    /// The row of all points.
    fn sum(&mut self, simulation: &Simulation, scale: Scale) {
        let (top, bottom) = (self.y, self.y + SUM_HEIGHT);
        let points: Vec<_> = simulation.points.iter().collect();
        self.say(16.0, top + 13.0, "r", "all rules");
        self.say(16.0, top + 28.0, "s", "points that exist");
        let most = self.area(&points, bottom, SUM_HEIGHT, scale);
        self.say(16.0, top + 42.0, "s", &format!("at most {}", units::count(most as u64)));
        self.add(&format!("<path class=\"l\" d=\"M{LEFT} {bottom:.1}H{RIGHT}\"/>\n"));
        self.y = bottom;
    }

    fn say(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        self.add(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y:.1}\">{text}</text>\n"));
    }

    fn say_end(&mut self, x: f64, y: f64, text: &str) {
        self.add(&format!("<text class=\"s\" text-anchor=\"end\" x=\"{x}\" y=\"{y:.1}\">{text}</text>\n"));
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn finish(mut self, caption: &Caption<'_>) -> String {
        let height = self.y + 44.0;
        let body = std::mem::take(&mut self.text);
        let title = escaped(caption.title);
        self.add(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
             height=\"{height:.0}\" role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        ));
        self.say(16.0, 32.0, "t", caption.title);
        self.say(16.0, 54.0, "s", caption.subtitle);
        self.legend();
        self.add(&body);
        self.add("</svg>\n");
        self.text
    }

    fn legend(&mut self) {
        let mut x = LEFT;
        for (colour, text, width) in
            [(BACKUP, "in the backup store", 140.0), (ARCHIVE, "in the archive store", 140.0)]
        {
            self.add(&format!("<rect x=\"{x}\" y=\"70\" width=\"18\" height=\"10\" fill=\"{colour}\"/>\n"));
            self.say(x + 24.0, 79.0, "s", text);
            x += width;
        }
        self.add(&format!("<rect x=\"{x}\" y=\"70\" width=\"2\" height=\"10\" fill=\"#7b341e\"/>\n"));
        self.say(x + 8.0, 79.0, "s", "backup");
    }
}

/// A bar from `start` to `end`, where it has a length.
fn line(path: &mut String, start: f64, end: f64, y: f64) {
    if end - start > 0.05 {
        let _ = write!(path, "M{start:.1} {y:.1}h{:.1}", end - start);
    }
}

/// How many points there are in each store at a moment.
struct Sample {
    x: f64,
    backup: usize,
    archive: usize,
}

/// A sample for each pixel.
fn samples(points: &[&SimulatedPoint], scale: Scale) -> Vec<Sample> {
    // Every change of a number, in order of time: sampling costs one walk, however many points there are.
    let mut changes: Vec<(Timestamp, StoreKind, isize)> = Vec::new();
    for point in points {
        changes.push((point.committed_at, StoreKind::Backup, 1));
        let end = point.deleted_on.unwrap_or(Timestamp::MAX);
        let moved = point.retention.backup_store_until;
        if point.archive_until().is_some() {
            changes.extend([(moved, StoreKind::Backup, -1), (moved, StoreKind::Archive, 1)]);
            changes.push((end, StoreKind::Archive, -1));
        } else {
            changes.push((end, StoreKind::Backup, -1));
        }
    }
    changes.sort_by_key(|(moment, ..)| *moment);
    let span = scale.until.duration_since(scale.from);
    #[expect(clippy::cast_possible_truncation, reason = "a width in pixels")]
    let pixels = (RIGHT - LEFT) as i32;
    let mut changes = changes.into_iter().peekable();
    let (mut backup, mut archive) = (0_usize, 0_usize);
    let mut samples = Vec::new();
    for pixel in 0..=pixels {
        let moment = scale.from.checked_add(span / pixels * pixel).unwrap_or(Timestamp::MAX);
        while let Some((_, store, by)) = changes.next_if(|(at, ..)| *at <= moment) {
            let number = match store {
                StoreKind::Backup => &mut backup,
                StoreKind::Archive => &mut archive,
            };
            *number = number.saturating_add_signed(by);
        }
        samples.push(Sample { x: LEFT + f64::from(pixel), backup, archive });
    }
    samples
}

/// Lines and names of the years, or of the months where there are few.
fn grid(scale: Scale, bottom: f64) -> String {
    let first = scale.from.to_zoned(TimeZone::UTC).date();
    let last = scale.until.to_zoned(TimeZone::UTC).date();
    let years = last.year() - first.year();
    let months_apart = match years {
        ..=1 => 1,
        2..=3 => 3,
        4..=16 => 12,
        _ => 60,
    };
    let mut text = String::new();
    let mut day = first.first_of_month();
    while day <= last {
        let months = i32::from(day.year()) * 12 + i32::from(day.month()) - 1;
        let moment = moment(day);
        if months % months_apart == 0 && moment >= scale.from {
            let x = scale.x(moment);
            let name = if months_apart >= 12 || day.month() == 1 {
                day.year().to_string()
            } else {
                day.strftime("%b").to_string()
            };
            let _ = write!(
                text,
                "<path class=\"g\" d=\"M{x:.1} {}V{bottom:.1}\"/>\n<text class=\"s\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text>\n",
                TOP - 10.0,
                bottom + 18.0
            );
        }
        day = day.saturating_add(jiff::Span::new().months(1));
    }
    text
}

/// The beginning of a day in UTC.
fn moment(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |day| day.timestamp())
}

/// A text as XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
