//! One payment, ours and the gateway's. Pure.

use boxoffice_saga::fact::{PaymentFact, PaymentState, RefundFact, RefundState};
use boxoffice_saga::payment::{Payment, PaymentStanding};
use boxoffice_saga::refund::{Refund, RefundStanding};

/// Something that the two say differently, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differs {
    /// One sentence, with the ids.
    pub what: String,
    /// What to do.
    pub then: &'static str,
    /// What makes it right.
    pub cure: Cure,
}

/// What makes a difference right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cure {
    /// The saga has to hear how the gateway's payment stands.
    TellPayment,
    /// The saga has to hear how this refund of the gateway's stands.
    TellRefund(Box<RefundFact>),
    /// A person.
    Person,
}

const LOST: &str =
    "its webhook was lost or is still on its way; the verify tasks ask, or: boxoffice reconcile";
const BY_HAND: &str = "compare with the gateway's dashboard, and settle it by hand";

/// What the gateway has of a payment.
#[derive(Clone, Debug, Default)]
pub struct Theirs {
    /// The payment; `None`: it knows none of this id.
    pub payment: Option<PaymentFact>,
    /// Its refunds, whoever made them.
    pub refunds: Vec<RefundFact>,
    /// Nobody can be asked for them: what was told of refunds is all that can be known.
    pub only_told: bool,
}

/// Whether our rows know all that is `told` of the payment, which may be a part of what there is.
pub fn agrees(payment: &Payment, refunds: &[Refund], told: &Theirs) -> bool {
    told_differently(payment, refunds, told).is_empty()
}

/// Names every difference. `refunds` are ours of this payment, and `theirs` is all that there is.
pub fn compare(payment: &Payment, refunds: &[Refund], theirs: &Theirs) -> Vec<Differs> {
    let mut found = Vec::new();
    let whose = name(payment);
    if theirs.payment.is_none() {
        found.push(Differs {
            what: format!(
                "{whose} is {} here, and the gateway knows no such payment",
                payment.standing.name()
            ),
            then: "was its webhook genuine? if nobody can say, change the signing secret",
            cure: Cure::Person,
        });
    }
    found.extend(told_differently(payment, refunds, theirs));
    for row in refunds.iter().filter(|row| row.proof.is_none()) {
        let known = theirs.refunds.iter().any(|fact| {
            fact.refund == Some(row.id)
                || row.gateway_refund_id.as_deref() == Some(&fact.gateway_refund_id)
        });
        if !known
            && !theirs.only_told
            && matches!(row.standing, RefundStanding::Done | RefundStanding::Pending)
        {
            found.push(Differs {
                what: format!(
                    "refund {} ({}) for {whose} is {} here, and the gateway has no such refund",
                    row.id,
                    row.gateway_refund_id.as_deref().unwrap_or("without an id"),
                    row.standing.name()
                ),
                then: BY_HAND,
                cure: Cure::Person,
            });
        }
    }
    found
}

fn name(payment: &Payment) -> String {
    let id = payment.gateway_payment_id.as_deref().unwrap_or("?");
    format!("payment {} ({id} at {})", payment.id, payment.account)
}

fn told_differently(payment: &Payment, refunds: &[Refund], told: &Theirs) -> Vec<Differs> {
    let whose = name(payment);
    let mut found: Vec<Differs> = told
        .payment
        .as_ref()
        .and_then(|fact| standing(payment, fact))
        .map(|(what, then, cure)| Differs {
            what: format!("{whose} {what}"),
            then,
            cure,
        })
        .into_iter()
        .collect();
    for fact in &told.refunds {
        let ours = refunds
            .iter()
            .find(|row| row.gateway_refund_id.as_deref() == Some(&fact.gateway_refund_id))
            .or_else(|| {
                let named =
                    |row: &&Refund| Some(row.id) == fact.refund && row.gateway_refund_id.is_none();
                refunds.iter().find(named)
            });
        let there = format!(
            "refund {} of {} for {whose} is {:?} at the gateway",
            fact.gateway_refund_id, fact.amount, fact.state
        );
        let (what, then, cure) = match ours {
            None if fact.state == RefundState::Failed => continue,
            None => (
                format!("{there} and not here"),
                "somebody made it at the gateway and its webhook is not here: boxoffice reconcile",
                Cure::TellRefund(Box::new(fact.clone())),
            ),
            Some(row) if row.amount != fact.amount => (
                format!("{there} and {} over {} here", row.id, row.amount),
                BY_HAND,
                Cure::Person,
            ),
            Some(row) if !same(row.standing, fact.state) => (
                format!("{there} and {} is {} here", row.id, row.standing.name()),
                LOST,
                Cure::TellRefund(Box::new(fact.clone())),
            ),
            Some(_) => continue,
        };
        found.push(Differs { what, then, cure });
    }
    found
}

fn standing(payment: &Payment, fact: &PaymentFact) -> Option<(String, &'static str, Cure)> {
    let there = fact.state;
    match (payment.captured, payment.standing) {
        (Some(captured), _) if there == PaymentState::Captured => {
            (captured != fact.amount).then(|| {
                let what = format!("captured {captured} here and {} there", fact.amount);
                (what, BY_HAND, Cure::Person)
            })
        }
        (Some(captured), _) => Some((
            format!("captured {captured} here and is {there:?} there"),
            BY_HAND,
            Cure::Person,
        )),
        (None, standing) if there == PaymentState::Captured => Some((
            format!(
                "captured {} there and is {} here",
                fact.amount,
                standing.name()
            ),
            LOST,
            Cure::TellPayment,
        )),
        (None, PaymentStanding::Declined | PaymentStanding::Closed)
            if there == PaymentState::Authorised =>
        {
            Some((
                format!("reserves {} there and is over here", fact.amount),
                "cancel it on the gateway's dashboard, so that the customer's money is free",
                Cure::TellPayment,
            ))
        }
        (None, standing)
            if there == PaymentState::Cancelled && payment.undecided()
                || there == PaymentState::Failed && standing == PaymentStanding::Open
                || standing == PaymentStanding::Authorised && there != PaymentState::Authorised =>
        {
            Some((
                format!("is {there:?} there and {} here", standing.name()),
                LOST,
                Cure::TellPayment,
            ))
        }
        (None, _) => None,
    }
}

/// Whether a refund of ours may stand like this while the gateway's stands like that.
const fn same(ours: RefundStanding, theirs: RefundState) -> bool {
    matches!(
        (ours, theirs),
        (RefundStanding::Done, RefundState::Succeeded)
            | (
                RefundStanding::Requested | RefundStanding::UnderWay | RefundStanding::Pending,
                RefundState::Pending
            )
            | (
                RefundStanding::WithOperator | RefundStanding::Withdrawn,
                RefundState::Failed
            )
    )
}
