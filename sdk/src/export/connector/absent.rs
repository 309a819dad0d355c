//! How the one client connects where the feature `tls` is not built: in plain text alone. The
//! settings have refused what is `https`.

use hyper_util::client::legacy::connect::HttpConnector;

use super::client::CONNECT_TIMEOUT;
use crate::settings::TlsSettings;

pub(super) type Connector = HttpConnector;

pub(super) fn connector(
    secure: bool,
    _tls: &TlsSettings,
    _http2_only: bool,
) -> Result<Connector, String> {
    if secure {
        return Err("throughline was built without its feature `tls`".to_owned());
    }
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    Ok(tcp)
}
