//! Where a payment's money is, as its rows say. The ledger is posted from this, and held against it.

use std::collections::BTreeMap;

use crate::ledger::Account;
use crate::payment::{DisputeStanding, Payment};
use crate::refund::{Refund, RefundStanding};

/// The money of one captured payment, in minor units of its currency, by account.
///
/// The balances sum to nothing: what came from [`Account::Gateway`] and [`Account::Loss`] is in the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purse(BTreeMap<Account, i64>);

impl Purse {
    /// What the rows say. `refunds` are those of the payment.
    pub fn of<'a>(payment: &Payment, refunds: impl IntoIterator<Item = &'a Refund>) -> Self {
        let Some(captured) = payment.captured else {
            return Self::default();
        };
        let mut out = BTreeMap::from([(Account::Retained, payment.retained)]);
        for refund in refunds {
            let account = match refund.standing {
                RefundStanding::Requested | RefundStanding::UnderWay | RefundStanding::Pending => {
                    Account::ToReturn
                }
                RefundStanding::Done => Account::Refunded,
                RefundStanding::WithOperator => Account::Operator,
                RefundStanding::Withdrawn => continue,
            };
            *out.entry(account).or_default() += refund.amount.minor;
        }
        for dispute in &payment.disputes {
            if dispute.standing == DisputeStanding::Lost {
                *out.entry(Account::ChargedBack).or_default() += dispute.amount_minor;
            }
        }
        let gone: i64 = out.values().sum();
        // What has no other place pays for the booking; what went out beyond the captured is a loss.
        out.insert(Account::Applied, (captured.minor - gone).max(0));
        out.insert(Account::Gateway, -captured.minor);
        out.insert(Account::Loss, -(gone - captured.minor).max(0));
        Self(out)
    }

    /// The balance of `account`, in minor units.
    pub fn balance(&self, account: Account) -> i64 {
        self.0.get(&account).copied().unwrap_or(0)
    }

    /// The movements that lead from here to `then`: from, to, and how much (positive). As few as can be, in the
    /// order of [`Account::ALL`].
    pub fn movements_to(&self, then: &Self) -> Vec<(Account, Account, i64)> {
        let change = |account: &Account| then.balance(*account) - self.balance(*account);
        let mut less: Vec<(Account, i64)> = Vec::new();
        let mut more: Vec<(Account, i64)> = Vec::new();
        for account in Account::ALL {
            match change(&account) {
                0 => {}
                by if by.is_negative() => less.push((account, -by)),
                by => more.push((account, by)),
            }
        }
        let mut movements = Vec::new();
        let mut less = less.into_iter();
        let mut source = less.next();
        for (to, mut wanted) in more {
            while let Some((from, left)) = source {
                let amount = left.min(wanted);
                movements.push((from, to, amount));
                wanted -= amount;
                source = match left - amount {
                    0 => less.next(),
                    left => Some((from, left)),
                };
                if wanted == 0 {
                    break;
                }
            }
        }
        movements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purse(balances: &[(Account, i64)]) -> Purse {
        Purse(balances.iter().copied().collect())
    }

    #[test]
    fn movements_lead_from_one_purse_to_another() {
        use Account::{Applied, ChargedBack, Gateway, Loss, Refunded, ToReturn};
        let steps = [
            purse(&[]),
            purse(&[(Gateway, -10), (Applied, 10)]),
            purse(&[(Gateway, -10), (Applied, 4), (ToReturn, 6)]),
            purse(&[(Gateway, -10), (Loss, -3), (Refunded, 6), (ChargedBack, 7)]),
            purse(&[(Gateway, -10), (Applied, 10)]),
        ];
        for pair in steps.windows(2) {
            let mut now = pair[0].clone();
            for (from, to, amount) in pair[0].movements_to(&pair[1]) {
                assert!(amount > 0);
                *now.0.entry(from).or_default() -= amount;
                *now.0.entry(to).or_default() += amount;
            }
            for account in Account::ALL {
                assert_eq!(
                    now.balance(account),
                    pair[1].balance(account),
                    "{account:?}"
                );
            }
        }
    }
}
