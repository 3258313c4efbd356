//! One window of one account: what the gateway has of it, what we have of it, and what is to be done.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_gateways::{CallError, Gateways, InboxKey, SignError, WebhookRecord, Window};
use boxoffice_saga::fact::{PaymentFact, Reference};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::{Refund, RefundStanding};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Tally;
use super::heard::{self, Hearsay, Listened};
use super::parts::{Parts, around};
use super::tell::{Call, Found, News, Telling, tell};
use crate::audit::gateway::compare::{Cure, Differs, Theirs, agrees, compare};
use crate::audit::gateway::look::{Look, rows, settled};

/// Payments taken together: what is found of some does not wait for all.
const CHUNK: usize = 25;
/// As many payments of the gateway's are kept in memory at a time. Where more have changed the window is walked in parts,
/// and only within the shortest part there may be more.
const MOST: usize = 10_000;
/// Where a gateway has no listing, a payment of ours that stays undecided is asked for when it is so old.
const ASKED_AGAIN: [Duration; 6] = [
    Duration::minutes(10),
    Duration::hours(1),
    Duration::hours(6),
    Duration::days(1),
    Duration::days(3),
    Duration::days(7),
];

/// A walk over an account.
pub struct Walk<'a> {
    pub store: &'a PgStore,
    /// Looks for what changed within a window: planned each time, for what is in the tables then.
    pub reading: &'a PgStore,
    pub gateways: &'a Gateways,
    pub account: &'a GatewayAccount,
    /// Stands in what is signed.
    pub now: OffsetDateTime,
}

/// What came of a window.
#[derive(Default)]
pub struct Outcome {
    pub tally: Tally,
    pub found: Vec<Found>,
    pub unanswered: Vec<Unanswered>,
}

/// A payment without a usable answer.
#[derive(Clone, Debug, Serialize)]
pub struct Unanswered {
    /// The gateway's id of it.
    pub gateway_payment_id: String,
    /// Why.
    pub why: String,
    /// The gateway is not asked, or has no time, at present: it says nothing about this payment.
    #[serde(skip)]
    pub later: bool,
    #[serde(skip)]
    ours: Option<Box<Payment>>,
}

/// Why a window could not be walked.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The database.
    #[error(transparent)]
    Database(#[from] TurnError),
    /// The gateway does not say what has changed.
    #[error("the gateway does not say what has changed: {0}")]
    Gateway(#[from] CallError),
    /// What was found cannot be told.
    #[error("facts cannot be told: {0}")]
    Sign(#[from] SignError),
}

impl From<sqlx::Error> for WalkError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Payments of ours: our id of each, with its booking.
type Wanted = BTreeMap<Uuid, Uuid>;

impl Walk<'_> {
    /// Walks it, in parts where much has changed.
    pub async fn window(&self, window: &Window) -> Result<Outcome, WalkError> {
        let mut outcome = Outcome::default();
        let Some(client) = self.gateways.client(self.account) else {
            return Ok(outcome);
        };
        let mut parts = Parts::of(window);
        while let Some(part) = parts.next() {
            let most = if parts.can_be_shorter() {
                MOST
            } else {
                usize::MAX
            };
            let heard = match heard::listen(client.as_ref(), &around(&part), most).await? {
                Listened::TooMuch => {
                    parts.shorten();
                    continue;
                }
                Listened::NoListing => None,
                Listened::Heard(heard) => Some(heard),
            };
            self.part(&part, heard, &mut outcome).await?;
            parts.done(&part);
        }
        outcome.tally.unanswered = outcome.unanswered.len();
        Ok(outcome)
    }

    async fn part(
        &self,
        window: &Window,
        heard: Option<BTreeMap<String, Hearsay>>,
        outcome: &mut Outcome,
    ) -> Result<(), WalkError> {
        outcome.tally.listed = heard.is_some();
        let mut ours = self.ours(window, heard.is_none()).await?;
        let mut heard = heard.unwrap_or_default();
        let known = self.known(heard.keys().cloned().collect()).await?;
        ours.extend(known.values().copied());
        let ours: Vec<(Uuid, Uuid)> = ours.into_iter().collect();
        for chunk in ours.chunks(CHUNK) {
            let wanted = chunk.iter().copied().collect();
            self.ours_and_theirs(&wanted, window, &heard, outcome)
                .await?;
        }
        heard.retain(|id, _| !known.contains_key(id));
        let unseen: Vec<(String, Hearsay)> = heard.into_iter().collect();
        for chunk in unseen.chunks(CHUNK) {
            self.unseen(chunk, outcome).await?;
        }
        Ok(())
    }

    /// Our payments that were opened, decided or refunded within the window.
    async fn ours(&self, window: &Window, also_undecided: bool) -> Result<Wanted, WalkError> {
        let ages = ASKED_AGAIN.map(Duration::as_seconds_f64);
        let ages = if also_undecided { &ages[..] } else { &[] };
        // Before the first analysis nearly all payments being one account's looks like one row. So the account is kept out
        // of the indexes' reach, and each refund looks for its payment: never all payments through all refunds.
        let rows = sqlx::query!(
            r#"select payment_id as "payment!", booking_id as "booking!" from payments
               where gateway || '' = $1 and account || '' = $2 and gateway_payment_id is not null
                 and ((opened_at >= $3 and opened_at < $4) or (decided_at >= $3 and decided_at < $4))
               union
               select p.payment_id, p.booking_id
               from refunds r
               cross join lateral (
                 select p.payment_id, p.booking_id from payments p
                 where p.payment_id = r.payment_id and p.gateway || '' = $1 and p.account || '' = $2
                   and p.gateway_payment_id is not null
                 limit 1
               ) as p
               where (r.requested_at >= $3 and r.requested_at < $4) or (r.done_at >= $3 and r.done_at < $4)
               union
               select p.payment_id, p.booking_id
               from unnest($5::float8[]) as age
               join payments p on p.opened_at >= $3 - make_interval(secs => age)
                              and p.opened_at < $4 - make_interval(secs => age)
               where p.gateway || '' = $1 and p.account || '' = $2 and p.gateway_payment_id is not null
                 and p.standing in ('OPEN', 'AUTHORISED', 'GIVING_UP')"#,
            self.account.gateway,
            self.account.account,
            window.since,
            window.until,
            ages,
        )
        .fetch_all(self.reading.pool())
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.payment, row.booking))
            .collect())
    }

    /// Which of the gateway's payments we know.
    pub(super) async fn known(
        &self,
        ids: Vec<String>,
    ) -> Result<BTreeMap<String, (Uuid, Uuid)>, WalkError> {
        let mut known = BTreeMap::new();
        for ids in ids.chunks(1_000) {
            let rows = sqlx::query!(
                r#"select gateway_payment_id as "id!", payment_id, booking_id from payments
                   where gateway = $1 and account = $2 and gateway_payment_id = any($3)"#,
                self.account.gateway,
                self.account.account,
                ids,
            )
            .fetch_all(self.store.pool())
            .await?;
            known.extend(
                rows.into_iter()
                    .map(|row| (row.id, (row.payment_id, row.booking_id))),
            );
        }
        Ok(known)
    }

    /// Payments of ours: what was heard agrees, or they are looked at.
    async fn ours_and_theirs(
        &self,
        wanted: &Wanted,
        window: &Window,
        heard: &BTreeMap<String, Hearsay>,
        outcome: &mut Outcome,
    ) -> Result<(), WalkError> {
        let mut news = News::default();
        let mut doubtful = Wanted::new();
        for (payment, refunds) in rows(self.store, wanted).await? {
            let id = payment.gateway_payment_id.as_deref().unwrap_or_default();
            let told = heard.get(id).and_then(Hearsay::settled);
            if told.is_some_and(|told| all_heard(&payment, &refunds, &told, window)) {
                news.settled.push(payment.id);
            } else {
                doubtful.insert(payment.id.uuid(), payment.booking.uuid());
            }
        }
        let looks = settled(self.store, self.gateways, &doubtful).await?;
        let mut told = Vec::new();
        for look in &looks {
            let records = self.differences(look)?.into_iter();
            let records = records.filter_map(|(_, record)| record);
            told.extend(records.map(|record| self.gateways.inbox_key(&record)));
        }
        // Told before, and heard: then telling is not what mends it. The rows that were read may be older than that.
        let heard_before = self.in_inbox(told).await?;
        let mut again = Wanted::new();
        for look in looks {
            let records = self.differences(&look)?;
            let before = records.iter().filter_map(|(_, record)| record.as_ref());
            if before
                .map(|record| &record.event_id)
                .any(|id| heard_before.contains(id))
            {
                let payment = &look.ours.0;
                again.insert(payment.id.uuid(), payment.booking.uuid());
            } else {
                self.add(look, &heard_before, &mut news, outcome)?;
            }
        }
        if !again.is_empty() {
            for look in settled(self.store, self.gateways, &again).await? {
                self.add(look, &heard_before, &mut news, outcome)?;
            }
        }
        outcome.tally.matched += news.settled.len();
        self.tell(news, outcome).await
    }

    /// What differs, each with the record that tells it, unless only a person can help.
    fn differences(&self, look: &Look) -> Result<Vec<(Differs, Option<WebhookRecord>)>, SignError> {
        let (payment, refunds) = &look.ours;
        let Some(Ok(theirs)) = &look.theirs else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for differs in compare(payment, refunds, theirs) {
            let record = match (&differs.cure, &theirs.payment) {
                (Cure::TellPayment, Some(fact)) => {
                    let fact = PaymentFact {
                        reference: or_ours(&fact.reference, payment),
                        ..fact.clone()
                    };
                    Some(self.gateways.facts().payment(fact, 0, self.now)?)
                }
                (Cure::TellRefund(fact), _) => {
                    Some(self.gateways.facts().refund((**fact).clone(), self.now)?)
                }
                _ => None,
            };
            found.push((differs, record));
        }
        Ok(found)
    }

    fn add(
        &self,
        look: Look,
        heard_before: &BTreeSet<String>,
        news: &mut News,
        outcome: &mut Outcome,
    ) -> Result<(), SignError> {
        let differences = self.differences(&look)?;
        let Look {
            ours: (payment, _),
            theirs,
        } = look;
        let id = payment.gateway_payment_id.clone().unwrap_or_default();
        if let Some(Err(error)) = &theirs {
            outcome.missing(id, error, Some(payment));
            return Ok(());
        }
        if differences.is_empty() {
            news.settled.push(payment.id);
            return Ok(());
        }
        let mut for_a_person: Vec<(String, &'static str)> = Vec::new();
        for (differs, record) in differences {
            match record {
                Some(record) if !heard_before.contains(&record.event_id) => {
                    news.tellings.push(Telling {
                        record,
                        booking: Some(payment.booking),
                        gateway_payment_id: id.clone(),
                        what: differs.what,
                    });
                }
                Some(_) => for_a_person.push((
                    format!("{} although it was told", differs.what),
                    "boxoffice saga show tells what was made of it; settle it by hand",
                )),
                None => for_a_person.push((differs.what, differs.then)),
            }
        }
        if let Some((_, then)) = for_a_person.first().cloned() {
            let what: Vec<String> = for_a_person.into_iter().map(|(what, _)| what).collect();
            news.calls.push(Call {
                payment,
                what: what.join("; "),
                then: then.to_owned(),
            });
        }
        Ok(())
    }

    /// Which of these events the coordinator has decided.
    pub(super) async fn in_inbox(
        &self,
        keys: Vec<InboxKey>,
    ) -> Result<BTreeSet<String>, WalkError> {
        let Some(source) = keys.first().map(|key| key.source.clone()) else {
            return Ok(BTreeSet::new());
        };
        let ids: Vec<String> = keys.into_iter().map(|key| key.event_id).collect();
        let known = sqlx::query_scalar!(
            "select event_id from inbox where source = $1 and event_id = any($2)",
            source,
            &ids,
        )
        .fetch_all(self.store.pool())
        .await?;
        Ok(known.into_iter().collect())
    }

    pub(super) async fn tell(&self, news: News, outcome: &mut Outcome) -> Result<(), WalkError> {
        let (found, fresh) = tell(self.store, self.account, news).await?;
        outcome.tally.count(&found, &fresh);
        outcome.found.extend(found);
        Ok(())
    }

    /// Calls a person for payments about which the gateway says nothing usable, however often it is asked.
    pub async fn give_up_asking(&self, outcome: &mut Outcome) -> Result<(), WalkError> {
        let mut news = News::default();
        for missing in &outcome.unanswered {
            if let Some(payment) = &missing.ours {
                news.calls.push(Call {
                    payment: (**payment).clone(),
                    what: format!(
                        "payment {} ({} at {}): the gateway gives no usable answer: {}",
                        payment.id, missing.gateway_payment_id, self.account, missing.why
                    ),
                    then: "compare with the gateway's dashboard".to_owned(),
                });
            } else {
                tracing::error!(
                    gateway = %self.account, payment = missing.gateway_payment_id, why = missing.why,
                    "the gateway lists a payment that is not known here, and says nothing usable about it"
                );
            }
        }
        self.tell(news, outcome).await
    }
}

impl Tally {
    fn count(&mut self, found: &[Found], fresh: &BTreeSet<String>) {
        for found in found.iter().filter(|found| fresh.contains(&found.finding)) {
            match found.became {
                super::tell::Became::Repaired => self.repaired += 1,
                super::tell::Became::Person => self.needs_person += 1,
            }
        }
    }
}

impl Outcome {
    /// Adds what came of another window.
    pub fn add(&mut self, other: Self) {
        self.tally += other.tally;
        self.found.extend(other.found);
        self.unanswered.extend(other.unanswered);
    }

    pub(super) fn missing(
        &mut self,
        gateway_payment_id: String,
        error: &CallError,
        ours: Option<Payment>,
    ) {
        self.unanswered.push(Unanswered {
            gateway_payment_id,
            why: error.to_string(),
            later: matches!(error, CallError::RetryLater { .. }),
            ours: ours.map(Box::new),
        });
    }
}

/// Whether both say the same, and the gateway has named whatever we say happened to it within the window.
fn all_heard(payment: &Payment, refunds: &[Refund], told: &Theirs, window: &Window) -> bool {
    let within =
        |at: Option<OffsetDateTime>| at.is_some_and(|at| at >= window.since && at < window.until);
    let decided = payment.captured.is_some() && within(payment.decided_at);
    let mut done = refunds.iter().filter(|row| {
        row.proof.is_none() && row.standing == RefundStanding::Done && within(row.done_at)
    });
    agrees(payment, refunds, told)
        && (!decided || told.payment.is_some())
        && done.all(|row| {
            told.refunds
                .iter()
                .any(|fact| row.gateway_refund_id.as_deref() == Some(&fact.gateway_refund_id))
        })
}

/// The reference that the gateway carries; where it carries none, what our own row says of it.
fn or_ours(said: &Reference, payment: &Payment) -> Reference {
    match said {
        Reference::Absent => Reference::Booking {
            booking: payment.booking,
            payment: Some(payment.id),
        },
        said => said.clone(),
    }
}
