//! From settings to a gateway that serves: the data folder, the store, the keys, the sockets, the engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::{SharedClock, SystemClock};
use engine::spec::Secret;
use store::Store;

use super::cluster;
use super::folder::DataFolder;
use super::gateway::{Foundation, Gateway, Settings};
use super::listeners::{Addresses, Listener};
use super::master_key;
use super::open::{self, Intent, Opened, Place};
use super::state::StoreOptions;
use super::takeover::ControlSocket;
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
}

pub async fn launch(launch: Launch) -> Outcome<Launched> {
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
    let Opened { store, listeners, starting } = open::open(place, launch.intent, &clock).await?;
    let waiting = listeners.iter().filter_map(|listener| listener.share().ok()).collect::<Vec<_>>();
    let keys = Keys { master: launch.master_key, admin: launch.admin_key, cluster: launch.cluster };
    let gateway = match assemble(&folder, store, listeners, keys, launch.settings, &clock).await {
        Ok(gateway) => gateway,
        Err(failure) => {
            open::turn_away(&waiting, &clock).await;
            return Err(failure);
        }
    };
    let control = ControlSocket::bind(&folder.control_socket());
    let control = control
        .inspect_err(|error| tracing::warn!(%error, "nobody will be able to take over from this process without a gap"))
        .ok();
    drop(starting);
    Ok(Launched { gateway, folder, control })
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
) -> Outcome<Gateway> {
    cluster::join(&*store, keys.cluster.as_deref()).await?;
    let vault = master_key::open_vault(folder, &*store, keys.master.as_ref()).await?;
    let clock = SharedClock::clone(clock);
    let gateway =
        Gateway::start(Foundation { store, listeners, vault, clock, admin_key: keys.admin }, settings).await?;
    gateway.engine.joined().await;
    if let Err(changing) = master_key::not_changing(&**gateway.engine.store()).await {
        gateway.engine.stop(Duration::ZERO).await;
        return Err(changing);
    }
    Ok(gateway)
}
