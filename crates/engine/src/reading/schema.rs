//! The schemas of streams: written in the manifest, in files beside it, or told by the source itself.

use connectors::manifest::schema::{Given, Needs, Schema};
use connectors::manifest::slice::Slice;
use connectors::manifest::stream::Retriever;
use futures_util::future::BoxFuture;

use super::failure::ReadFailure;
use super::run::Run;
use super::seen::Seen;
use super::stream::ReadStream;
use connectors::manifest::node::Read as _;

impl ReadStream {
    /// Makes the schemas of the stream and of its parents known.
    pub fn load_schemas<'a>(&'a mut self, run: &'a Run<'_>) -> BoxFuture<'a, Result<(), ReadFailure>> {
        // Boxed, because parents have parents.
        Box::pin(async move {
            for (_, parent) in &mut self.parents {
                parent.load_schemas(run).await?;
            }
            self.schema = self.loaded(run).await?;
            Ok(())
        })
    }

    async fn loaded(&self, run: &Run<'_>) -> Result<Schema, ReadFailure> {
        let mut schemas = Vec::new();
        for loader in self.declared.schemas.iter() {
            let config = run.client.config();
            let needs = loader.needs(&Seen::default().scope(&config, run.client.now()))?;
            let record = match &needs {
                Needs::Record(node) => {
                    let helper = ReadStream::helper(run, &self.name, Retriever::read(node)?)?;
                    helper.first_record(run, Slice::whole()).await?
                }
                Needs::Nothing | Needs::File(_) => None,
            };
            let given = match &needs {
                Needs::Nothing => Given::Nothing,
                Needs::File(_) => Given::Files(run.files),
                Needs::Record(_) => Given::Record(record.as_ref()),
            };
            schemas.push(loader.schema(given, &Seen::default().scope(&config, run.client.now()))?);
        }
        Ok(Schema::new(self.declared.schemas.merge(schemas)))
    }
}
