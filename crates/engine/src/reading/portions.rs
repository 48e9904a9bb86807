//! Pages of sources that tell only the properties that are asked for, and not all of them at once: each page is asked for
//! in portions, and the parts of a record are made one.

use std::sync::Arc;

use connectors::manifest::cursor::OpenSlice;
use connectors::manifest::page::PageToken;
use connectors::manifest::properties::{PropertyList, QueryProperties};
use connectors::manifest::request::properties::SLICE_FIELD;
use connectors::manifest::slice::Slice;
use connectors::manifest::wire::Reply;
use serde_json::{Map, Value as Json};

use super::client::{Answer, Stop};
use super::failure::ReadFailure;
use super::pages::Pages;
use super::seen::Seen;

/// The portions of one slice's requests, once they are known.
pub(super) type Portions = Option<Arc<Vec<Vec<String>>>>;

impl Pages<'_> {
    /// A page with all properties; `None` if the source ignores the question.
    pub(super) async fn ask_in_portions(
        &mut self,
        properties: &QueryProperties,
        token: Option<&PageToken>,
        open: &OpenSlice,
    ) -> Result<Option<(Reply, Vec<Json>)>, Stop> {
        let portions = self.known_portions(properties).await?;
        let mut merger = properties.merger();
        let mut records = Vec::new();
        let mut last = None;
        for portion in portions.iter() {
            let slice = Arc::new(with_properties(&self.slice, portion));
            let Answer { mut reply, spool } = self.send(token, &slice).await?;
            if reply.is_ok() {
                let mut items = self.pager.form.take(&mut reply, spool)?;
                while let Some(mut items) = items.next().await? {
                    let selected = self.select(&mut items, token, &slice, open).await?;
                    for record in selected.records {
                        // A record without a key cannot be joined and stands alone.
                        records.extend(merger.as_mut().map_or(Some(record.clone()), |merger| merger.add(record)));
                    }
                }
            }
            last = Some(reply);
        }
        records.extend(merger.into_iter().flat_map(|merger| merger.finish()));
        Ok(last.filter(Reply::is_ok).map(|reply| (reply, records)))
    }

    async fn known_portions(&mut self, properties: &QueryProperties) -> Result<Arc<Vec<Vec<String>>>, ReadFailure> {
        if let Some(known) = &self.portions {
            return Ok(Arc::clone(known));
        }
        let names = self.property_names(properties).await?;
        let config = self.run.client.config();
        let scope = Seen::default().scope(&config, self.run.client.now());
        let selected = properties.selected(self.stream.circumstances.wanted_schema.as_ref(), &scope)?;
        let portions = Arc::new(properties.chunks(&names, selected.as_ref()));
        self.portions = Some(Arc::clone(&portions));
        Ok(portions)
    }

    async fn property_names(&self, properties: &QueryProperties) -> Result<Vec<String>, ReadFailure> {
        let helper = match properties.list() {
            PropertyList::Written(names) => return Ok(names.clone()),
            PropertyList::Endpoint { .. } => self.stream.properties.as_ref(),
        };
        let Some(helper) = helper else { return Ok(Vec::new()) };
        let slice = Slice::of(self.slice.partition().clone());
        let records = helper.all_records(self.run, slice).await?;
        let config = self.run.client.config();
        let scope = Seen::default().scope(&config, self.run.client.now());
        let mut names = Vec::new();
        for record in &records {
            names.extend(properties.told(record, &scope)?);
        }
        Ok(names)
    }
}

fn with_properties(slice: &Slice, portion: &[String]) -> Slice {
    let mut fields: Map<String, Json> = slice.extra_fields().clone();
    fields.insert(SLICE_FIELD.to_owned(), portion.iter().cloned().map(Json::String).collect());
    slice.clone().with_extra_fields(fields)
}
