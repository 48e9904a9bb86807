//! Where a datetime cursor starts or ends: a date, held between a lowest and a highest one.

use crate::manifest::expression::dates::Format;
use crate::manifest::node::{Node, Read};
use crate::manifest::problem::Problem;
use crate::manifest::scope::Scope;
use crate::manifest::setting::Setting;

use super::error::CursorError;
use super::point::Point;

#[derive(Clone, Debug)]
pub(crate) struct Bound {
    at: Setting,
    /// `None`: the cursor's own format.
    format: Option<Format>,
    lowest: Option<Setting>,
    highest: Option<Setting>,
}

impl Bound {
    /// `option` is the field that it was read from, for messages.
    pub fn point(&self, option: &'static str, format: &Format, scope: &Scope<'_>) -> Result<Point, CursorError> {
        let format = self.format.as_ref().unwrap_or(format);
        let read = |text: &str| match format.parse(text) {
            Ok(moment) => Ok(Point::new(moment)),
            Err(reason) => Err(CursorError::Date { option, reason }),
        };
        let evaluate = |setting: &Setting| match setting.text(scope) {
            Ok(text) => Ok(text),
            Err(failure) => Err(CursorError::Template { option, failure }),
        };
        let limit = |setting: &Option<Setting>| match setting.as_ref().map(evaluate).transpose()? {
            Some(text) if !text.is_empty() => read(&text).map(Some),
            _ => Ok(None),
        };
        let mut point = read(&evaluate(&self.at)?)?;
        if let Some(lowest) = limit(&self.lowest)?.filter(|lowest| *lowest > point) {
            point = lowest;
        }
        if let Some(highest) = limit(&self.highest)?.filter(|highest| *highest < point) {
            point = highest;
        }
        Ok(point)
    }
}

impl Read for Bound {
    fn read(node: &Node) -> Result<Self, Problem> {
        if !node.is_map() {
            return Ok(Self { at: Setting::read(node)?, format: None, lowest: None, highest: None });
        }
        let kind = node.kind("MinMaxDatetime")?;
        if &*kind != "MinMaxDatetime" {
            return Err(node.unsupported());
        }
        let format: Option<String> = node.maybe("datetime_format")?;
        Ok(Self {
            at: node.need("datetime")?,
            format: format.filter(|format| !format.is_empty()).map(|format| Format::new(&format)),
            lowest: Setting::maybe(node, "min_datetime")?,
            highest: Setting::maybe(node, "max_datetime")?,
        })
    }
}
