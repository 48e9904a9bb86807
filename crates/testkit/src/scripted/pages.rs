//! One page of a data set: filtered by the request, cut by page number, offset or cursor, put into its envelope.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::fill::fill;
use super::place::{Place, plain};
use super::query::Asked;
use super::script::{DataSet, Made};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// The data set.
    pub of: String,
    #[serde(default, rename = "where")]
    filters: Vec<Filter>,
    /// Which page, counted from `first`.
    #[serde(default)]
    page: Option<Place>,
    #[serde(default = "one")]
    first: usize,
    /// How many records come before.
    #[serde(default)]
    offset: Option<Place>,
    /// A token as `{next}` gave it.
    #[serde(default)]
    cursor: Option<Place>,
    #[serde(default)]
    size: Size,
    /// Where in the envelope the records go; nowhere makes them the whole body.
    #[serde(default)]
    at: Vec<String>,
    /// The rest of the envelope.
    #[serde(default)]
    with: Map<String, Json>,
    /// Adds a `Link` header with `rel="next"` where there is a next page.
    #[serde(default)]
    link: bool,
}

fn one() -> usize {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Size {
    Fixed(usize),
    Asked { from: Place, or: usize },
}

impl Default for Size {
    fn default() -> Self {
        Self::Fixed(usize::MAX)
    }
}

/// A condition on a field; one whose place the request leaves out does not filter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    field: String,
    #[serde(default)]
    is: Option<Place>,
    #[serde(default)]
    from: Option<Place>,
    #[serde(default)]
    after: Option<Place>,
    #[serde(default)]
    to: Option<Place>,
    #[serde(default)]
    before: Option<Place>,
}

/// A page and where the next one is.
pub struct Page {
    pub body: Json,
    pub link: Option<String>,
}

impl Pages {
    pub fn page(&self, data: &DataSet, asked: &Asked) -> Page {
        let records: Vec<Json> = data.records().into_iter().filter(|record| self.keeps(record, asked)).collect();
        let size = self.size.of(asked).max(1);
        let start = self.start(asked, size).min(records.len());
        let end = start.saturating_add(size).min(records.len());
        let more = end < records.len();
        let next = if more { self.token(start, end, size) } else { Json::Null };
        let next_url = if more { json!(self.next_url(asked, &next)) } else { Json::Null };
        let shown = &records[start..end];
        let value_of = |name: &str| match name {
            "next" => Some(next.clone()),
            "next_url" => Some(next_url.clone()),
            "more" => Some(json!(more)),
            "total" => Some(json!(records.len())),
            "count" => Some(json!(shown.len())),
            "pages" => Some(json!(records.len().div_ceil(size))),
            "page" => Some(json!(start / size + self.first)),
            _ => None,
        };
        let mut body = fill(&Json::Object(self.with.clone()), &value_of);
        put(&mut body, &self.at, shown.to_vec().into());
        let link = (self.link && more).then(|| format!("<{}>; rel=\"next\"", plain(&next_url)));
        Page { body, link }
    }

    fn keeps(&self, record: &Json, asked: &Asked) -> bool {
        self.filters.iter().all(|filter| filter.keeps(record, asked))
    }

    fn start(&self, asked: &Asked, size: usize) -> usize {
        let number =
            |place: &Option<Place>| place.as_ref()?.text(asked)?.trim_start_matches("after-").parse::<usize>().ok();
        if let Some(page) = number(&self.page) {
            return page.saturating_sub(self.first).saturating_mul(size);
        }
        number(&self.offset).or_else(|| number(&self.cursor)).unwrap_or(0)
    }

    fn token(&self, start: usize, end: usize, size: usize) -> Json {
        match (&self.page, &self.offset) {
            (Some(_), _) => json!(start / size + self.first + 1),
            (None, Some(_)) => json!(end),
            (None, None) => json!(format!("after-{end}")),
        }
    }

    /// This request's address with the token of the next page.
    fn next_url(&self, asked: &Asked, next: &Json) -> String {
        let place = self.page.as_ref().or(self.offset.as_ref()).or(self.cursor.as_ref());
        let name = match place {
            Some(Place::Query(name)) => name.as_str(),
            _ => "cursor",
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(asked.query.iter().filter(|(key, _)| key != name));
        query.append_pair(name, &plain(next));
        format!("{}{}?{}", super::BASE, asked.path, query.finish())
    }
}

impl Size {
    fn of(&self, asked: &Asked) -> usize {
        match self {
            Self::Fixed(size) => *size,
            Self::Asked { from, or } => from.text(asked).and_then(|text| text.parse().ok()).unwrap_or(*or),
        }
    }
}

impl Filter {
    fn keeps(&self, record: &Json, asked: &Asked) -> bool {
        let value = self.field.split('.').try_fold(record, |at, key| at.get(key)).map(plain).unwrap_or_default();
        let holds = |place: &Option<Place>, judge: &dyn Fn(std::cmp::Ordering) -> bool| {
            let limit = place.as_ref().and_then(|place| place.text(asked));
            limit.is_none_or(|limit| judge(compare(&value, &limit)))
        };
        holds(&self.is, &|order| order.is_eq())
            && holds(&self.from, &|order| order.is_ge())
            && holds(&self.after, &|order| order.is_gt())
            && holds(&self.to, &|order| order.is_le())
            && holds(&self.before, &|order| order.is_lt())
    }
}

/// Numbers by value, everything else as text: dates of one format compare rightly.
fn compare(left: &str, right: &str) -> std::cmp::Ordering {
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) => left.total_cmp(&right),
        _ => left.cmp(right),
    }
}

fn put(body: &mut Json, at: &[String], records: Json) {
    let mut place = body;
    for key in at {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[key.as_str()];
    }
    *place = records;
}

impl DataSet {
    pub fn records(&self) -> Vec<Json> {
        match self {
            Self::Listed(records) => records.clone(),
            Self::Made(made) => (made.first..made.first + made.count).map(|n| made.record(n)).collect(),
        }
    }
}

impl Made {
    fn record(&self, n: u64) -> Json {
        fill(&self.each, &|name| self.value_of(name, n))
    }

    /// `n`, `n%3`, `n*10`, `n/4`, `pad:100` (so many letters), and the record's time in five forms.
    fn value_of(&self, name: &str, n: u64) -> Option<Json> {
        if let Some(length) = name.strip_prefix("pad:") {
            return Some(json!("x".repeat(length.parse().ok()?)));
        }
        if let Some(rest) = name.strip_prefix('n') {
            let operand = rest.get(1..).unwrap_or_default();
            return match rest.chars().next() {
                None => Some(json!(n)),
                Some('%') => Some(json!(n % operand.parse::<u64>().ok()?)),
                Some('*') => Some(json!(n * operand.parse::<u64>().ok()?)),
                Some('/') => Some(json!(n / operand.parse::<u64>().ok()?)),
                Some(_) => None,
            };
        }
        let start: Timestamp = self.start.as_deref()?.parse().ok()?;
        let seconds = start.as_second() + i64::from(self.every) * i64::try_from(n).ok()?;
        let time = Timestamp::from_second(seconds).ok()?;
        match name {
            "time" => Some(json!(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())),
            "offset_time" => Some(json!(time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string())),
            "date" => Some(json!(time.strftime("%Y-%m-%d").to_string())),
            "epoch" => Some(json!(seconds)),
            "millis" => Some(json!(seconds * 1000)),
            _ => None,
        }
    }
}
