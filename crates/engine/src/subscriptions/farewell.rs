//! What a subscription can be ended with once its source, its connection or its connector is configured no more: the
//! connector and the configuration as they were, kept from before it is made until it is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use domain::identity::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::book::Book;
use super::trouble::Trouble;
use crate::clock::SharedClock;
use crate::connector::{Connector, ConnectorError, Connectors, Named, Ours, is_path};
use crate::entropy::SharedEntropy;
use crate::spec::{ConnectionConfig, ConnectorSpec};
use crate::topology::Topology;
use crate::upstream::Account;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kit {
    /// As its owner named it.
    connector: String,
    /// The texts of a connector that is a file: it may be gone by then.
    manifest: Option<String>,
    overrides: Option<String>,
    /// Sealed.
    pub config: String,
}

/// What a kit would be made of: it is made anew only if this has changed.
pub(super) fn digest_of(spec: &ConnectorSpec, config: &Json) -> String {
    let text = format!("{}\0{}\0{config}", spec.name, HEXLOWER.encode(&spec.connector.digest().0));
    HEXLOWER.encode(&Digest::of(text.as_bytes()).0)
}

impl Kit {
    pub fn of(book: &Book, account: &Account, spec: &ConnectorSpec, config: &Json) -> Result<Self, Trouble> {
        let is_file = is_path(&spec.name) || spec.overrides.is_some();
        let texts = &spec.connector.texts;
        Ok(Self {
            connector: spec.name.clone(),
            manifest: is_file.then(|| texts.manifest.to_string()),
            overrides: texts.overrides.as_ref().filter(|_| is_file).map(ToString::to_string),
            config: book.seal_config(account, &config.to_string())?,
        })
    }

    /// The connector and the configuration, as far as asking needs them. What the source still allows others of it is
    /// kept to as well.
    pub fn open(
        self,
        book: &Book,
        account: &Account,
        topology: &Topology,
        (clock, entropy): (&SharedClock, &SharedEntropy),
    ) -> Result<(ConnectorSpec, Arc<Json>), Trouble> {
        let config = book.open_config(account, &self.config)?;
        let config: Json = serde_json::from_slice(&config)
            .map_err(|_| Trouble::lasting("secret_form_unknown", "the former configuration cannot be read"))?;
        let connector = match &self.manifest {
            None => Ours { clock: Arc::clone(clock), entropy: Arc::clone(entropy) }.find(&self.connector, None),
            Some(text) => {
                let manifest = Named { name: &self.connector, text };
                let overrides = self.overrides.as_deref().map(|text| Named { name: "overrides", text });
                Connector::load(manifest, overrides, Arc::new(|_| None), clock, entropy).map(Arc::new)
            }
        };
        let connector =
            connector.map_err(|error: ConnectorError| Trouble::lasting("manifest_invalid", error.to_string()))?;
        let living = topology.source(account.tenant.as_str(), account.source.as_str());
        let living = living.and_then(|source| source.spec.connector.as_ref());
        let spec = ConnectorSpec {
            name: self.connector,
            overrides: None,
            connector,
            configs: BTreeMap::from([(account.connection.clone(), ConnectionConfig::new(config.clone()))]),
            streams: living.map(|spec| spec.streams.clone()).unwrap_or_default(),
            budget: living.and_then(|spec| spec.budget.clone()),
            normalize: false,
            subscribe: false,
        };
        Ok((spec, Arc::new(config)))
    }
}
