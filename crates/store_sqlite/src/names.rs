//! Names as numbers: what the rows and indexes hold instead of text.
//!
//! Shared by the writer, which alone adds names, and the readers. A name is parsed once and cloned after.

use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domain::{ConnectionName, DestinationName, RouteName, SourceName, Tenant};
use rustc_hash::FxHashMap;
use store::StoreError;

/// A name of the table `names`, by number.
pub(crate) type NameId = i64;

#[derive(Default)]
pub(crate) struct Names {
    table: RwLock<Table>,
}

#[derive(Default)]
struct Table {
    ids: FxHashMap<Arc<str>, NameId>,
    names: FxHashMap<NameId, Arc<Name>>,
}

/// One text, and whatever kinds of name it was asked for as.
pub(crate) struct Name {
    pub(crate) text: Arc<str>,
    tenant: OnceLock<Tenant>,
    source: OnceLock<SourceName>,
    connection: OnceLock<ConnectionName>,
    destination: OnceLock<DestinationName>,
    route: OnceLock<RouteName>,
}

impl Names {
    pub(crate) fn id(&self, text: &str) -> Option<NameId> {
        self.read().ids.get(text).copied()
    }

    pub(crate) fn name(&self, id: NameId) -> Option<Arc<Name>> {
        self.read().names.get(&id).cloned()
    }

    pub(crate) fn learn(&self, id: NameId, text: &str) -> Arc<Name> {
        let text: Arc<str> = text.into();
        let name = Arc::new(Name::new(text.clone()));
        let mut table = self.write();
        table.ids.insert(text, id);
        table.names.insert(id, name.clone());
        name
    }

    /// Forgets a name whose row was rolled back.
    pub(crate) fn forget(&self, id: NameId) {
        let mut table = self.write();
        if let Some(name) = table.names.remove(&id) {
            table.ids.remove(&name.text);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        // A panic while the table was held left whole entries at worst: it is a cache of committed rows.
        self.table.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

macro_rules! kinds {
    ($($kind:ident: $name:ident),*) => {
        impl Name {
            fn new(text: Arc<str>) -> Self {
                Self { text, $($kind: OnceLock::new(),)* }
            }

            $(pub(crate) fn $kind(&self) -> Result<$name, StoreError> {
                if let Some(known) = self.$kind.get() {
                    return Ok(known.clone());
                }
                let name: $name = self.text.parse().map_err(|error| StoreError::Corrupt(format!("{error}")))?;
                Ok(self.$kind.get_or_init(|| name).clone())
            })*
        }
    };
}

kinds!(tenant: Tenant, source: SourceName, connection: ConnectionName, destination: DestinationName, route: RouteName);
