//! Where requests may go, per tenant, as the file says it now.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use domain::Tenant;
use engine::topology::Policies;
use engine::transport::EgressPolicy;
use ipnet::IpNet;

/// What each tenant may reach although it is not public.
pub type Allowed = BTreeMap<Tenant, Vec<IpNet>>;

/// The rules of every tenant that is allowed something.
pub type Rules = BTreeMap<Tenant, Arc<EgressPolicy>>;

pub struct TenantPolicies {
    /// Where this process listens: refused to everyone.
    own: Vec<SocketAddr>,
    by_tenant: RwLock<Rules>,
    /// For tenants that are allowed nothing.
    public_only: Arc<EgressPolicy>,
}

impl TenantPolicies {
    pub fn new(allowed: &Allowed, own: Vec<SocketAddr>) -> Self {
        let public_only = Arc::new(EgressPolicy::new(Vec::new(), own.clone()));
        let policies = Self { own, by_tenant: RwLock::default(), public_only };
        policies.replace(allowed);
        policies
    }

    /// Puts other rules in place and gives those before. Destinations that are configured from now on are judged by
    /// them.
    pub fn replace(&self, allowed: &Allowed) -> Rules {
        let policy = |allow: &Vec<IpNet>| Arc::new(EgressPolicy::new(allow.clone(), self.own.clone()));
        self.restore(allowed.iter().map(|(tenant, allow)| (tenant.clone(), policy(allow))).collect())
    }

    pub fn restore(&self, rules: Rules) -> Rules {
        // The map is replaced whole, so a panic elsewhere cannot have left half of one.
        std::mem::replace(&mut *self.by_tenant.write().unwrap_or_else(PoisonError::into_inner), rules)
    }
}

impl Policies for TenantPolicies {
    fn egress(&self, tenant: &Tenant) -> Arc<EgressPolicy> {
        let by_tenant = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_tenant.get(tenant).unwrap_or(&self.public_only))
    }
}

#[cfg(test)]
mod tests {
    use engine::transport::Target;

    use super::*;

    #[test]
    fn each_tenant_reaches_what_it_is_allowed_and_nobody_reaches_us() {
        let default = Tenant::default_tenant();
        let other: Tenant = "other".parse().expect("a name");
        let loopback = vec!["127.0.0.0/8".parse().expect("a range")];
        let own = "127.0.0.1:8080".parse().expect("an address");
        let policies = TenantPolicies::new(&BTreeMap::from([(default.clone(), loopback.clone())]), vec![own]);
        let reaches = |tenant: &Tenant, url: &str| Target::parse(url, &policies.egress(tenant)).is_ok();
        assert!(reaches(&default, "http://127.0.0.1:9000/"));
        assert!(!reaches(&default, "http://127.0.0.1:8080/") && !reaches(&other, "http://127.0.0.1:9000/"));
        policies.replace(&BTreeMap::from([(other.clone(), loopback)]));
        assert!(reaches(&other, "http://127.0.0.1:9000/") && !reaches(&default, "http://127.0.0.1:9000/"));
        assert!(!reaches(&other, "http://127.0.0.1:8080/"));
    }
}
