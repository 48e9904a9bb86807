//! From which addresses a source takes requests: asked before a request is judged, whenever that is.

use domain::request::{InboundRequest, Reason};

use super::{Judged, RETRY_AFTER, Receipt, Receiver, come_back};
use crate::allow::Admission;
use crate::telemetry;
use crate::topology::{Listener, Source};

/// The sender's list of addresses was never fetched: refusing could lose an event, accepting could let a stranger in.
const ADDRESSES_NOT_KNOWN: &str = "addresses_not_known";

impl Receiver {
    /// What to answer to a request from an address that the source takes none from.
    pub(super) async fn refuse_address(&self, listener: &Listener, request: &InboundRequest) -> Option<Receipt> {
        match admission(listener, request) {
            Admission::Admitted => None,
            Admission::Refused => {
                let kept = self.refuse(request.clone(), not_allowed(request)).await;
                let refused = Receipt::Rejected { reply: None };
                Some(kept.map_or_else(|error| self.unavailable(&error), |()| refused))
            }
            Admission::NotKnownYet => {
                telemetry::unavailable(ADDRESSES_NOT_KNOWN);
                Some(come_back(RETRY_AFTER, ADDRESSES_NOT_KNOWN))
            }
        }
    }

    /// Judges a kept request again, by the addresses of now too: a signature that has become right opens no way around
    /// them.
    pub(crate) async fn judge_kept(&self, source: &Source, listener: &Listener, request: &InboundRequest) -> Judged {
        match admission(listener, request) {
            Admission::Admitted => self.judge_fetching(source, listener, request).await,
            Admission::Refused => Judged::Rejected(not_allowed(request)),
            Admission::NotKnownYet => Judged::Pending,
        }
    }
}

fn admission(listener: &Listener, request: &InboundRequest) -> Admission {
    listener.allow.as_ref().map_or(Admission::Admitted, |allow| allow.admits(&request.remote))
}

fn not_allowed(request: &InboundRequest) -> Reason {
    let detail = format!("{} is not among the addresses of `allow_from`", request.remote);
    Reason { code: "address_not_allowed".into(), detail }
}
