//! What the three services are told alike, by arguments or by variables.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::faults::Plan;

#[derive(Args)]
pub(crate) struct Settings {
    /// Where it listens; port 0 is any free one, and the first line on standard error says which
    #[arg(long, env = "SHOP_LISTEN", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// The folder of the SQLite files
    #[arg(long, env = "SHOP_DATA", default_value = "shop-data")]
    pub(crate) data: PathBuf,
    /// A PostgreSQL database in place of the files: postgres://user:password@host/name
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// What goes wrong from the start: name, or name=rate, with commas between; `GET /faults` has
    /// the names
    #[arg(long, env = "SHOP_FAULTS", default_value = "")]
    pub(crate) faults: Plan,
}
