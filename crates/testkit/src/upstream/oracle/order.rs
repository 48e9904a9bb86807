//! Messages of one subject come one after another, the later version after the earlier one; what comes late says so.

use std::collections::BTreeMap;

use super::Judged;

pub(super) fn findings(judged: &Judged<'_>) -> Vec<String> {
    [overlapping(judged), backwards(judged)].concat()
}

/// Once a later message has come, an earlier one comes no more.
fn overlapping(judged: &Judged<'_>) -> Vec<String> {
    let mut last_arrival = BTreeMap::new();
    for (number, message) in judged.arrivals.iter().enumerate() {
        last_arrival.insert(&message.webhook_id, number);
    }
    let mut findings = Vec::new();
    for ((connection, subject), messages) in &judged.of_subject {
        for pair in messages.windows(2) {
            let ((_, earlier), (began, later)) = (pair[0], pair[1]);
            if last_arrival[&earlier.webhook_id] > began {
                findings.push(format!(
                    "{subject} of {connection}: {} came again after {} had begun to come",
                    earlier.webhook_id, later.webhook_id
                ));
            }
        }
    }
    findings
}

fn backwards(judged: &Judged<'_>) -> Vec<String> {
    let mut findings = Vec::new();
    for ((connection, subject), messages) in &judged.of_subject {
        let mut newest = None;
        for (_, message) in messages.iter().filter(|(_, message)| !message.stale) {
            if message.version.is_some() && message.version < newest {
                findings.push(format!(
                    "{subject} of {connection}: {} tells version {:?} after {newest:?}, and does not say that it is stale",
                    message.webhook_id, message.version
                ));
            }
            newest = newest.max(message.version);
        }
    }
    findings
}
