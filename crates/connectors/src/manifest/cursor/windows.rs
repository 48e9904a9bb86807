//! Which windows a datetime cursor still has to read: the gaps between what was read, and what came after it.
//!
//! Pure and lazy: a step of a minute over ten years is five million windows, and none is made before it is asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use super::coverage::Coverage;
use super::point::Point;
use super::rules::Rules;

/// What lies between two points and has to be read.
#[derive(Clone, Copy, Debug)]
struct Gap {
    lower: Point,
    upper: Point,
    /// It ends where reading ends, not where something was read before.
    is_last: bool,
}

/// The part of a gap that windows have not covered yet.
#[derive(Clone, Copy, Debug)]
struct Steps {
    at: Point,
    upper: Point,
    is_last: bool,
}

/// The windows of one partition, first to last.
#[derive(Debug)]
pub(crate) struct Windows {
    rules: Arc<Rules>,
    end: Point,
    gaps: VecDeque<Gap>,
    steps: Option<Steps>,
}

impl Windows {
    pub fn new(rules: &Arc<Rules>, read: &Coverage<Point>, now: Timestamp) -> Self {
        let end = rules.end(now);
        Self { rules: Arc::clone(rules), end, gaps: gaps(rules, read, end), steps: None }
    }

    /// The first window of a gap; what it leaves goes on by steps.
    fn enter(&mut self, gap: Gap) -> Option<(Point, Point)> {
        let Gap { lower, upper, is_last } = gap;
        let rules = &self.rules;
        if lower > upper || (lower == upper && rules.unit().is_none()) || upper < rules.start {
            return None;
        }
        // Clamped before it is cut: a step shorter than what is clamped to would leave an empty first window.
        let lower = rules.clamp.up(later(lower, rules.start));
        if lower > upper || (lower == upper && (rules.strict || !is_last)) {
            return None;
        }
        if self.step_from(lower) < upper {
            self.steps = Some(Steps { at: lower, upper, is_last });
            return self.step();
        }
        // With a granularity the end is the last unit to read: clamping it up would read past it.
        let whole = if is_last && rules.unit().is_some() { upper } else { rules.clamp.up(upper) };
        Some((lower, if is_last { whole } else { self.before(whole) }))
    }

    fn step(&mut self) -> Option<(Point, Point)> {
        let Steps { at, upper, is_last } = self.steps.take()?;
        let cut = earlier(self.step_from(at), upper);
        let border = if cut == upper { cut } else { self.rules.clamp.up(cut) };
        // A border that was clamped onto the end is the end: the next window would be empty.
        let reaches_end = cut >= upper || border == upper;
        let start = self.rules.clamp.up(at);
        if start >= border {
            return None;
        }
        if !reaches_end {
            self.steps = Some(Steps { at: border, upper, is_last });
        }
        Some((start, if is_last && reaches_end { border } else { self.before(border) }))
    }

    /// Where a window that starts here would end. Beyond the calendar it ends where reading ends.
    fn step_from(&self, lower: Point) -> Point {
        self.rules.step.and_then(|step| lower.plus(step)).unwrap_or(self.end)
    }

    /// One unit less, so that a window does not read again what the next one starts with.
    fn before(&self, border: Point) -> Point {
        self.rules.unit().and_then(|unit| border.minus(unit)).unwrap_or(border)
    }
}

impl Iterator for Windows {
    type Item = (Point, Point);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(window) = self.step() {
                return Some(window);
            }
            let gap = self.gaps.pop_front()?;
            if let Some(window) = self.enter(gap) {
                return Some(window);
            }
        }
    }
}

fn gaps(rules: &Rules, read: &Coverage<Point>, end: Point) -> VecDeque<Gap> {
    let mut gaps = VecDeque::new();
    let mut reached: Option<Point> = None;
    for span in read.spans() {
        match reached {
            None if rules.start < span.start => {
                gaps.push_back(Gap { lower: rules.start, upper: span.start, is_last: false })
            }
            None => {}
            Some(end) => {
                let lower = rules.unit().and_then(|unit| end.plus(unit)).unwrap_or(end);
                gaps.push_back(Gap { lower, upper: span.start, is_last: false });
            }
        }
        reached = Some(span.end);
    }
    if let Some(reached) = reached {
        // Before the calendar begins there is nothing to look back at; the start bounds it anyway.
        let lower = rules.lookback.map_or(reached, |lookback| reached.minus(lookback).unwrap_or(rules.start));
        gaps.push_back(Gap { lower, upper: end, is_last: true });
    }
    gaps
}

/// Of two equal points the first: their zones may differ, and the reference keeps the first.
fn later(a: Point, b: Point) -> Point {
    if b > a { b } else { a }
}

fn earlier(a: Point, b: Point) -> Point {
    if b < a { b } else { a }
}
