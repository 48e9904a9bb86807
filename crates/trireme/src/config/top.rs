//! The top level of the file: one section after the other, and what only all of them together can tell.

use std::sync::Arc;

use domain::Tenant;
use domain::identity::Digest;
use engine::definition::At;
use engine::spec::Specs;
use url::Url;

use super::objects::{Owned, Within};
use super::{Config, Limits, Surroundings, egress, explain, objects, retention, store};

pub(super) fn config(root: &At<'_>, around: &Surroundings<'_>) -> Config {
    let mut fields = root.fields_or_empty();
    let public_url = fields.take("public_url").and_then(|at| public_url(&at));
    let called: Option<Arc<str>> = public_url.as_deref().map(Arc::from);
    let store = fields.take("store").and_then(|at| store::section(&at, &around.directory)).unwrap_or_default();
    let trusted_proxies = fields.take("trusted_proxies").map(|at| egress::proxies(&at)).unwrap_or_default();
    let limits = fields.take("limits").and_then(|at| Limits::section(&at)).unwrap_or_default();
    let model = fields.take("explain").and_then(|at| explain::section(&at));
    let retention_at = fields.take("retention");
    let mut owned =
        vec![objects::owned(&mut fields, Tenant::default_tenant(), around.egress_allow, (around, called.as_ref()))];
    owned.extend(fields.take("tenants").iter().flat_map(|at| tenants(at, (around, called.as_ref()))));
    fields.finish();

    let sources = owned.iter().flat_map(|owned| &owned.specs.sources);
    let dedupe = sources.filter_map(|source| source.webhook.as_ref()?.dedupe_within).max().unwrap_or_default();
    let retention = retention_at.and_then(|at| retention::section(&at, dedupe));
    let mut config = Config {
        public_url,
        store,
        trusted_proxies,
        egress_allow: Default::default(),
        limits,
        retention: retention.unwrap_or_default(),
        model,
        specs: Specs { catalogue: Arc::clone(&around.own.catalogue), public_url: called, ..Specs::default() },
        // Both are known once everything was read.
        digest: Digest::of(b""),
        warnings: Vec::new(),
    };
    owned.into_iter().for_each(|owned| gather(&mut config, owned));
    config
}

fn gather(config: &mut Config, owned: Owned) {
    config.egress_allow.insert(owned.tenant, owned.egress_allow);
    config.specs.sources.extend(owned.specs.sources);
    config.specs.destinations.extend(owned.specs.destinations);
    config.specs.routes.extend(owned.specs.routes);
    config.specs.alerting.extend(owned.specs.alerting);
    config.specs.veils.extend(owned.specs.veils);
}

fn tenants(at: &At<'_>, within: Within<'_>) -> Vec<Owned> {
    let mut owned = Vec::new();
    for (tenant, at) in at.named_entries::<Tenant>() {
        if tenant == Tenant::default_tenant() {
            let message = "the tenant 'default' is the top level of the file itself";
            at.error("reserved", message, "move its sources, destinations and routes there");
            continue;
        }
        if let Some(mut fields) = at.fields() {
            owned.push(objects::owned(&mut fields, tenant, &[], within));
            fields.finish();
        }
    }
    owned
}

/// `https://hooks.example`, perhaps with a path below which a proxy forwards to us.
fn public_url(at: &At<'_>) -> Option<String> {
    const EXAMPLE: &str = "https://hooks.example";
    let url: Url = at.parsed("an address", EXAMPLE)?;
    let problem = match () {
        () if !matches!(url.scheme(), "http" | "https") => "it is neither http nor https",
        () if url.query().is_some() || url.fragment().is_some() => "it has a query or fragment",
        () if !url.username().is_empty() || url.password().is_some() => "it has a user name or password",
        () => return Some(url.as_str().trim_end_matches('/').to_owned()),
    };
    at.error("invalid_value", format!("this cannot be what senders call: {problem}"), format!("write it as {EXAMPLE}"));
    None
}
