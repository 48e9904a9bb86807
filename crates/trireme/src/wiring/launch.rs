//! From settings to a gateway that serves: the data folder, the store, the keys, the sockets, the engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::{SharedClock, SystemClock};
use engine::nodes::now_goes_by;
use engine::spec::Secret;
use store::Store;

use super::cluster;
use super::copying;
use super::folder::DataFolder;
use super::gateway::{Foundation, Gateway, Settings};
use super::listeners::{Addresses, Listener};
use super::master_key;
use super::notify::{StillOpening, Supervisor};
use super::open::{self, Intent, Opened, Place};
use super::predecessor::NodeLock;
use super::state::StoreOptions;
use super::stop::Signals;
use super::takeover::ControlSocket;
use super::waiting;
use crate::config::StoreChoice;
use crate::exit::Outcome;

/// Everything that is decided before anything is touched.
pub struct Launch {
    pub data: PathBuf,
    pub store: StoreChoice,
    pub addresses: Addresses,
    pub inherited: Vec<Listener>,
    pub intent: Intent,
    pub settings: Settings,
    /// Value of `TRIREME_ADMIN_KEY`.
    pub admin_key: Option<Secret>,
    /// Value of `TRIREME_MASTER_KEY`.
    pub master_key: Option<Secret>,
    /// The cluster that the store has to be of, if its owner named one.
    pub cluster: Option<String>,
}

/// A gateway that serves.
pub struct Launched {
    pub gateway: Gateway,
    pub folder: DataFolder,
    /// `None` if the folder's path is too long for a socket: then nobody can take over without a gap.
    pub control: Option<ControlSocket>,
    /// Of a store that several share: says that the node of this folder lives.
    pub node_lock: Option<NodeLock>,
}

/// `None` if it was asked to end before it could serve.
pub async fn launch(launch: Launch, signals: &mut Signals, supervisor: &Supervisor) -> Outcome<Option<Launched>> {
    let clock: SharedClock = SystemClock::shared();
    launch.settings.check()?;
    let folder = DataFolder::open(&launch.data)?;
    if matches!(launch.store, StoreChoice::Postgres(_)) {
        master_key::must_be_given(&folder, launch.master_key.as_ref())?;
    }
    let options = StoreOptions::of(launch.store, &folder, launch.settings.disk_reserve_bytes, clock.now());
    let key_id = master_key::known(&folder, launch.master_key.as_ref())?.map(|key| key.id().to_owned());
    let Launch { addresses, inherited, .. } = launch;
    let place = Place { folder: &folder, store: options, addresses, inherited, key_id };
    let opening = StillOpening::tell(supervisor, SharedClock::clone(&clock));
    let Opened { store, listeners, starting } = open::open(place, launch.intent, &clock).await?;
    drop(opening);
    let sockets = listeners.iter().filter_map(|listener| listener.share().ok()).collect::<Vec<_>>();
    let keys = Keys { master: launch.master_key, admin: launch.admin_key, cluster: launch.cluster };
    let assembled = assemble(&folder, store, listeners, keys, launch.settings, &clock, signals).await;
    let (gateway, node_lock) = match assembled {
        Ok(Some(assembled)) => assembled,
        Ok(None) => return Ok(None),
        Err(failure) => {
            open::turn_away(&sockets, &clock).await;
            return Err(failure);
        }
    };
    let control = ControlSocket::bind(&folder.control_socket());
    let control = control
        .inspect_err(|error| tracing::warn!(%error, "nobody will be able to take over from this process without a gap"))
        .ok();
    drop(starting);
    Ok(Some(Launched { gateway, folder, control, node_lock }))
}

/// Keys that were given.
struct Keys {
    master: Option<Secret>,
    admin: Option<Secret>,
    /// The cluster that the store has to be of.
    cluster: Option<String>,
}

async fn assemble(
    folder: &DataFolder,
    store: Arc<dyn Store>,
    listeners: Vec<Listener>,
    keys: Keys,
    settings: Settings,
    clock: &SharedClock,
    signals: &mut Signals,
) -> Outcome<Option<(Gateway, Option<NodeLock>)>> {
    copying::may_be_used(&*store, clock.now()).await?;
    cluster::may_join(&*store, keys.cluster.as_deref()).await?;
    let vault = master_key::open_vault(folder, &*store, keys.master.as_ref()).await?;
    // Whoever is refused has left nothing by which others would be.
    copying::begins_to_be_used(&*store, clock.now()).await?;
    cluster::join(&*store, keys.cluster.as_deref()).await?;
    let mut node_lock = if store.is_shared() { end_predecessor(folder, &*store, clock).await? } else { None };
    if !waiting::until_applied(&*store, &listeners, &settings, signals, clock).await? {
        store.close().await.map_err(|error| master_key::store_failure(&error))?;
        return Ok(None);
    }
    let (clock, file) = (SharedClock::clone(clock), settings.file);
    let gateway =
        Gateway::start(Foundation { store, listeners, vault, clock, admin_key: keys.admin }, settings).await?;
    gateway.engine.joined().await;
    // Once more, now that the others see this node: one of two that begin at once sees the other.
    let store = &**gateway.engine.store();
    let mut free = master_key::not_changing(store).await;
    if free.is_ok() {
        free = copying::begins_to_be_used(store, gateway.clock.now()).await;
    }
    if free.is_ok() {
        free = now_goes_by(store, file).await.map_err(|error| master_key::store_failure(&error));
    }
    if let Err(taken) = free {
        gateway.engine.stop(Duration::ZERO).await;
        return Err(taken);
    }
    if let Some(lock) = &mut node_lock
        && let Err(error) = lock.sign(gateway.engine.owner())
    {
        tracing::warn!(%error, "should this process be killed, its successor waits for its lease");
    }
    Ok(Some((gateway, node_lock)))
}

/// Whoever ran on this folder before is gone if its lock is free: nobody has to wait for its lease.
async fn end_predecessor(folder: &DataFolder, store: &dyn Store, clock: &SharedClock) -> Outcome<Option<NodeLock>> {
    let lock = match NodeLock::take(&folder.node_lock_file()) {
        Ok(lock) => lock,
        Err(error) => {
            tracing::warn!(%error, "a process that ran here before may still be waited for");
            None
        }
    };
    if let Some(lock) = &lock {
        lock.end_former(store, clock.now()).await.map_err(|error| master_key::store_failure(&error))?;
    }
    Ok(lock)
}
