//! The bank at the other end, which the shop plays itself: what it says depends on the card,
//! or on a fault.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::Card;
use crate::faults::{Fault, Faults};

pub(super) const NAME: &str = "northbank";

/// Cards of the published kind that is for tests: each passes as a card, and none is anybody's.
pub(crate) const DECLINED: &str = "4000000000000002";
pub(crate) const TIMES_OUT: &str = "4000000000000119";

const ANSWERS_IN: Duration = Duration::from_millis(20);
/// How long the gateway is waited for. A real one gets ten seconds.
const WAITS_FOR: Duration = Duration::from_millis(1_200);

#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    #[error("the gateway declined the card")]
    Declined,
    #[error("the gateway did not answer")]
    Timeout(#[source] Late),
    #[error("the gateway cannot be reached")]
    Unreachable(#[source] io::Error),
}

#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(super) struct Late(Duration);

impl GatewayError {
    /// From a short list, as `error.type` wants it.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Declined => "card_declined",
            Self::Timeout(_) => "gateway_timeout",
            Self::Unreachable(_) => "gateway_unreachable",
        }
    }
}

#[derive(Clone)]
pub(super) struct Gateway {
    faults: Faults,
}

impl Gateway {
    pub(super) fn new(faults: Faults) -> Self {
        Self { faults }
    }

    pub(super) async fn authorise(&self, card: &Card) -> Result<(), GatewayError> {
        if self.faults.strikes(Fault::GatewayOutage) {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            return Err(GatewayError::Unreachable(refused));
        }
        if card.number == TIMES_OUT || self.faults.strikes(Fault::GatewayTimeouts) {
            sleep(WAITS_FOR).await;
            return Err(GatewayError::Timeout(Late(WAITS_FOR)));
        }
        sleep(ANSWERS_IN).await;
        if card.number == DECLINED || self.faults.strikes(Fault::PaymentRefusals) {
            return Err(GatewayError::Declined);
        }
        Ok(())
    }
}
