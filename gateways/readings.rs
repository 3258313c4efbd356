//! What one webhook says. Nearly always one thing; some gateways put several into one request, each with a
//! signature of its own (Adyen).

use boxoffice_saga::fact::{Fact, Reading};

use crate::port::Unreadable;

/// One item of a webhook, read; or genuine and not to be understood, which may be money all the same.
pub type Item = Result<Reading, Unreadable>;

/// The items of one webhook in the order of the body: at least one. Each is decided by itself, so one that
/// cannot be read takes none of the others with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readings {
    first: Item,
    /// Empty, and without an allocation, at the gateways that send one item.
    more: Vec<Item>,
}

impl Readings {
    /// The first item and what comes after it.
    pub fn several(first: Item, more: Vec<Item>) -> Self {
        Self { first, more }
    }

    /// The item of this number, counted from 0. None: there are not so many.
    pub fn item(self, number: u32) -> Option<Item> {
        self.into_iter().nth(usize::try_from(number).ok()?)
    }

    /// Whether an item of it is a hint, which anybody could send.
    pub fn has_hint(&self) -> bool {
        let hint = |item: &Item| {
            item.as_ref()
                .is_ok_and(|reading| matches!(reading.fact, Fact::Hint(_)))
        };
        hint(&self.first) || self.more.iter().any(hint)
    }

    /// What a webhook of one item says.
    ///
    /// # Errors
    /// [`Unreadable`]: as the item is, or because it is not the only one.
    pub fn only(self) -> Item {
        if self.more.is_empty() {
            self.first
        } else {
            Err(Unreadable::Value {
                what: "more than one item",
            })
        }
    }
}

impl From<Item> for Readings {
    fn from(only: Item) -> Self {
        Self::several(only, Vec::new())
    }
}

impl IntoIterator for Readings {
    type Item = Item;
    type IntoIter = std::iter::Chain<std::iter::Once<Item>, std::vec::IntoIter<Item>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.more)
    }
}
