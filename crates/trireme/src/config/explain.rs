//! `explain`: a model that may be asked about failures, beside our own rules.

use engine::definition::At;
use engine::explain::ModelSpec;
use engine::spec::Secret;
use url::Url;

/// Questions in an hour where the file says nothing: people ask them, one at a time.
const PER_HOUR: u32 = 30;
const PER_HOUR_MAX: u32 = 10_000;
const EXAMPLE: &str = "https://models.example/v1";

pub(super) fn section(at: &At<'_>) -> Option<ModelSpec> {
    let mut fields = at.fields()?;
    let model = fields.take("model");
    fields.finish();
    self::model(&model?)
}

fn model(at: &At<'_>) -> Option<ModelSpec> {
    let mut fields = at.fields()?;
    let url = fields.require("url", EXAMPLE).and_then(|at| url(&at));
    let model =
        fields.require("model", "the name of a model").and_then(|at| at.text().map(|text| text.as_str().to_owned()));
    let key = fields.take("key").and_then(|at| {
        at.findings().hide(at.node());
        at.text().map(|text| Secret::new(text.as_str().to_owned()))
    });
    let per_hour = fields.take("per_hour").and_then(|at| at.integer(1..=PER_HOUR_MAX)).unwrap_or(PER_HOUR);
    fields.finish();
    Some(ModelSpec { url: url?, model: model?, key, per_hour })
}

fn url(at: &At<'_>) -> Option<String> {
    let url: Url = at.parsed("an address", EXAMPLE)?;
    if matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none() {
        return Some(url.as_str().trim_end_matches('/').to_owned());
    }
    let message = "this cannot be where a model is asked: it is neither http nor https, or holds a password";
    at.error("invalid_value", message, format!("write it as {EXAMPLE}, and the key under 'key'"));
    None
}
