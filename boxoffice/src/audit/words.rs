//! An audit for a person at a terminal.

use boxoffice_saga::ledger::Account;

use super::Audit;
use super::finding::Finding;

impl Audit {
    /// For a person at a terminal.
    pub fn in_words(&self) -> String {
        let mut text = format!(
            "{} shows, {} bookings, {} payments, {} refunds\n",
            self.shows, self.bookings, self.payments, self.refunds
        );
        for (currency, sums) in &self.money {
            let mut parts = vec![format!("captured {}", sums.captured)];
            for account in Account::ALL {
                if let Some(minor) = sums.accounts.get(account.name()) {
                    let name = account.name().to_lowercase().replace('_', " ");
                    parts.push(format!("{name} {minor}"));
                }
            }
            text.push_str(&format!("{currency}, minor units: {}\n", parts.join(", ")));
        }
        let mut waiting = |count: i64, what: &str| {
            if count > 0 {
                text.push_str(&format!("{count} {what}\n"));
            }
        };
        waiting(
            self.undecided_webhooks,
            "accepted webhooks wait for the coordinator",
        );
        waiting(
            self.parked_webhooks,
            "accepted webhooks are parked until their booking or payment is known",
        );
        waiting(self.unpublished, "records wait for the relay");
        text.push_str(&in_words(&self.violations));
        if let Some(comparison) = &self.gateways {
            text.push_str(&comparison.in_words());
        }
        text
    }
}

/// Findings, one a paragraph; or that there are none.
pub fn in_words(found: &[Finding]) -> String {
    if found.is_empty() {
        return "every promise holds\n".to_owned();
    }
    found
        .iter()
        .map(|finding| {
            format!(
                "VIOLATION {}: {}\n  look at: {}\n",
                finding.promise.name(),
                finding.what,
                finding.look
            )
        })
        .collect()
}
