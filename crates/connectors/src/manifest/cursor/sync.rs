//! `incremental_sync` as the manifest writes it: a cursor of dates or of counts, its texts still templates.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use crate::manifest::expression::dates::{Format, Period};
use crate::manifest::node::{Node, Read};
use crate::manifest::problem::{Fault, Problem};
use crate::manifest::request::RequestOption;
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;

use super::bound::Bound;
use super::clamp::Clamping;
use super::count::Count;
use super::error::CursorError;
use super::formats::Formats;
use super::point::{Point, exactly, is_nothing};
use super::rules::Rules;

/// What a stream's cursor is made of.
#[derive(Clone, Debug)]
pub enum IncrementalSync {
    Dates(Box<DatetimeCursor>),
    Counts(Box<CountCursor>),
}

/// A cursor whose values are dates.
#[derive(Clone, Debug)]
pub struct DatetimeCursor {
    field: CursorField,
    inputs: Vec<Format>,
    pub(super) output: Format,
    start: Bound,
    end: Option<Bound>,
    step: Option<Setting>,
    pub(super) granularity: Option<Period>,
    lookback: Option<Setting>,
    clamping: Option<Clamping>,
    pub(super) bounds: [Setting; 2],
    /// Where a window's start and end go into requests.
    pub(super) options: [Option<RequestOption>; 2],
    strict: bool,
    /// Records come newest first: paging stops after the page whose last record is not new, and older ones are dropped.
    pub is_data_feed: bool,
    /// The source cannot filter: each record is judged here.
    pub is_client_side: bool,
    /// One cursor for all partitions.
    pub shares_cursor: bool,
}

/// A cursor whose values are numbers that only grow.
#[derive(Clone, Debug)]
pub struct CountCursor {
    field: CursorField,
    start: Option<Setting>,
    /// Where the count to start from goes into requests.
    pub(super) option: Option<RequestOption>,
}

#[derive(Clone, Debug)]
struct CursorField {
    name: Setting,
    /// The catalog may name another one.
    follows_catalog: bool,
}

impl IncrementalSync {
    /// Whether the catalog may name another field.
    #[must_use]
    pub const fn follows_catalog(&self) -> bool {
        match self {
            Self::Dates(cursor) => cursor.field.follows_catalog,
            Self::Counts(cursor) => cursor.field.follows_catalog,
        }
    }

    /// The field of a record that holds its cursor value.
    pub fn field(&self, scope: &Scope<'_>, catalog_field: &[String]) -> Result<Arc<str>, CursorError> {
        match self {
            Self::Dates(dates) => dates.field.evaluate(scope, catalog_field),
            Self::Counts(counts) => counts.field.evaluate(scope, catalog_field),
        }
    }
}

impl DatetimeCursor {
    pub(crate) fn field_setting(&self) -> &Setting {
        &self.field.name
    }

    /// Whether this field is its own, whatever the config is.
    #[must_use]
    pub fn is_of(&self, field: &str) -> bool {
        self.field.name.source() == field
    }

    /// How its values are written.
    #[must_use]
    pub fn formats(&self) -> Formats {
        Formats::new(self.inputs.clone(), self.output.clone())
    }

    /// Its settings for one run. `catalog_field` is what the catalog names as cursor field, if anything.
    pub fn rules(&self, scope: &Scope<'_>, catalog_field: &[String]) -> Result<Arc<Rules>, CursorError> {
        self.rules_overlapping(scope, catalog_field, None)
    }

    /// The same with a lookback of at least `overlap`, and no further than now.
    pub(super) fn rules_overlapping(
        &self,
        scope: &Scope<'_>,
        catalog_field: &[String],
        overlap: Option<Duration>,
    ) -> Result<Arc<Rules>, CursorError> {
        let text = |option, setting: &Setting| setting.text(scope).map_err(|failure| template(option, failure));
        let duration = |option, setting: &Option<Setting>| {
            let text = setting.as_ref().map(|setting| text(option, setting)).transpose()?;
            let text = text.filter(|text| !text.is_empty());
            let period = text.map(|text| Period::parse(&text)).transpose();
            let period = period.map_err(|reason| CursorError::Duration { option, reason })?;
            Ok::<_, CursorError>(period.filter(|period| !is_nothing(period)))
        };
        let [first, last] = &self.bounds;
        Ok(Arc::new(Rules {
            field: self.field.evaluate(scope, catalog_field)?,
            formats: self.formats(),
            start: self.start.point("start_datetime", &self.output, scope)?,
            end: self.end.as_ref().map(|end| end.point("end_datetime", &self.output, scope)).transpose()?,
            lookback: longer(duration("lookback_window", &self.lookback)?, overlap.unwrap_or_default()),
            step: duration("step", &self.step)?,
            granularity: self.granularity,
            ceiling: overlap.map(|_| Point::at(scope.now())),
            clamp: self.clamping.as_ref().map(|clamping| clamping.evaluate(scope)).transpose()?.unwrap_or_default(),
            strict: self.strict,
            bounds: [text("partition_field_start", first)?.into(), text("partition_field_end", last)?.into()],
        }))
    }
}

impl CountCursor {
    /// The field, and where counting starts.
    pub fn start(&self, scope: &Scope<'_>, catalog_field: &[String]) -> Result<(Arc<str>, Count), CursorError> {
        let option = "start_value";
        let value = self.start.as_ref().map(|start| start.value(scope).map_err(|failure| template(option, failure)));
        let count = match value.transpose()? {
            None => Some(Count::Whole(0)),
            Some(Json::String(text)) => text.trim().parse().ok().map(Count::Whole),
            Some(Json::Number(number)) => {
                number.as_f64().map(|real| Count::Whole(number.as_i64().unwrap_or(real as i64)))
            }
            Some(_) => None,
        };
        let count = count.ok_or(CursorError::Option { option, expects: "a whole number" })?;
        Ok((self.field.evaluate(scope, catalog_field)?, count))
    }
}

impl CursorField {
    fn evaluate(&self, scope: &Scope<'_>, catalog_field: &[String]) -> Result<Arc<str>, CursorError> {
        match catalog_field {
            [first, rest @ ..] if self.follows_catalog && !first.is_empty() => {
                if rest.is_empty() {
                    Ok(first.as_str().into())
                } else {
                    Err(CursorError::NestedField)
                }
            }
            _ => Ok(self.name.text(scope).map_err(|failure| template("cursor_field", failure))?.into()),
        }
    }
}

/// A manifest's lookback, or the overlap where that reaches further back. One of months is longer than any overlap.
fn longer(lookback: Option<Period>, overlap: Duration) -> Option<Period> {
    let micros = i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX);
    let is_longer = |period: &Period| shortest(period) >= i128::from(micros);
    lookback.filter(is_longer).or_else(|| (micros > 0).then(|| exactly(micros))).or(lookback)
}

/// The least that a period can come to, in microseconds: years and months of their shortest length.
#[expect(clippy::cast_possible_truncation, reason = "a float beyond the integers becomes the largest of them")]
fn shortest(period: &Period) -> i128 {
    const DAY: f64 = 86_400e6;
    period.micros() + (period.years * 365.0 * DAY + period.months * 28.0 * DAY) as i128
}

pub(super) fn template(option: &'static str, failure: crate::manifest::expression::Failure) -> CursorError {
    CursorError::Template { option, failure }
}

impl Read for IncrementalSync {
    fn read(node: &Node) -> Result<Self, Problem> {
        match &*node.kind("")? {
            "DatetimeBasedCursor" => DatetimeCursor::read(node).map(Box::new).map(Self::Dates),
            "IncrementingCountCursor" => CountCursor::read(node).map(Box::new).map(Self::Counts),
            _ => Err(node.unsupported()),
        }
    }
}

impl Read for CursorField {
    fn read(node: &Node) -> Result<Self, Problem> {
        let follows_catalog = node.or("allow_catalog_defined_cursor_field", false)?;
        Ok(Self { name: node.need("cursor_field")?, follows_catalog })
    }
}

impl Read for CountCursor {
    fn read(node: &Node) -> Result<Self, Problem> {
        Ok(Self {
            field: CursorField::read(node)?,
            start: Setting::maybe(node, "start_value")?,
            option: node.maybe("start_value_option")?,
        })
    }
}

impl Read for DatetimeCursor {
    fn read(node: &Node) -> Result<Self, Problem> {
        let step = Setting::maybe(node, "step")?;
        let granularity: Option<String> = node.maybe("cursor_granularity")?;
        let granularity = granularity.filter(|text| !text.is_empty());
        if step.is_some() != granularity.is_some() {
            let message = "has only one of 'step' and 'cursor_granularity'; give both or neither";
            return Err(node.problem(Fault::Wrong, message.to_owned()));
        }
        let inputs: Vec<String> = node.or("cursor_datetime_formats", Vec::new())?;
        let output: String = node.need("datetime_format")?;
        Ok(Self {
            field: CursorField::read(node)?,
            inputs: inputs.iter().map(|format| Format::new(format)).collect(),
            output: Format::new(&output),
            start: node.need("start_datetime")?,
            end: node.maybe("end_datetime")?,
            step,
            granularity: granularity.map(|text| read_period(node, &text)).transpose()?,
            lookback: Setting::maybe(node, "lookback_window")?,
            clamping: node.maybe("clamping")?,
            bounds: [
                Setting::or(node, "partition_field_start", "start_time")?,
                Setting::or(node, "partition_field_end", "end_time")?,
            ],
            options: [node.maybe("start_time_option")?, node.maybe("end_time_option")?],
            strict: node.or("is_compare_strictly", false)?,
            is_data_feed: node.or("is_data_feed", false)?,
            is_client_side: node.or("is_client_side_incremental", false)?,
            shares_cursor: node.or("global_substream_cursor", false)?,
        })
    }
}

fn read_period(node: &Node, text: &str) -> Result<Period, Problem> {
    Period::parse(text).map_err(|_| {
        let message = format!("'cursor_granularity' must be an ISO 8601 duration such as PT1S or P1D, not '{text}'");
        node.problem(Fault::Wrong, message)
    })
}
