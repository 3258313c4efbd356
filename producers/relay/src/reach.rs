//! How far the relay has come, as its holder knows it: without I/O.
//!
//! Each method is something that happened at the cursor's row, in the order in which it happened there.

use crate::window::{Frontier, Snapshot, Window};

/// What is published, what is in hand, and how far positions were drawn when we last looked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reach {
    from: Frontier,
    window: Option<Window>,
    last_position: i64,
    /// The last drawn position, as read last.
    seen: i64,
    /// What `seen` was before our last commit.
    witnessed: i64,
}

impl Reach {
    /// The cursor was claimed and its row says this: all that is published, the window in hand with its `drawn`
    /// and how far it is published. `drawn` is the last drawn position, read before the claim was committed.
    pub fn claimed(
        from: Frontier,
        in_hand: Option<(Snapshot, i64)>,
        last_position: i64,
        drawn: i64,
    ) -> Self {
        let window = in_hand.map(|(s2, drawn)| Window::new(&from, s2, drawn));
        Self {
            from,
            window,
            last_position,
            seen: drawn,
            witnessed: drawn,
        }
    }

    /// The sequence was looked at: whether there may be anything to publish, if no window is in hand.
    pub fn looked(&mut self, now: &Snapshot, drawn: i64) -> bool {
        self.seen = drawn;
        self.from.may_have_news(now, drawn)
    }

    /// The sequence was read, and nothing else.
    pub const fn saw(&mut self, drawn: i64) {
        self.seen = drawn;
    }

    /// Something of our own was committed.
    pub const fn committed(&mut self) {
        self.witnessed = self.seen;
    }

    /// What a window that is opened now is to be written down with: transactions from its snapshot's `xmax` on
    /// draw above this. (The lesser, for a sequence that was set back since.)
    pub fn drawn_before(&self) -> i64 {
        self.witnessed.min(self.seen)
    }

    /// A window was opened and written down.
    pub fn opened(&mut self, s2: Snapshot, drawn: i64) {
        self.window = Some(Window::new(&self.from, s2, drawn));
        self.last_position = 0;
    }

    /// It was written down that the window in hand is published up to this position.
    pub const fn advanced(&mut self, position: i64) {
        self.last_position = position;
    }

    /// What takes S1's place when the window in hand is done.
    pub fn next(&self) -> Option<&Frontier> {
        self.window.as_ref().map(Window::to)
    }

    /// It was written down that the window in hand is done.
    pub fn finished(&mut self) {
        if let Some(window) = self.window.take() {
            self.from = window.to().clone();
        }
        self.last_position = 0;
    }

    /// The window in hand, and the position behind which it goes on.
    pub fn window(&self) -> Option<(&Window, i64)> {
        self.window
            .as_ref()
            .map(|window| (window, window.start().max(self.last_position)))
    }

    /// At or below this position everything is published.
    pub fn floor(&self) -> i64 {
        self.from.floor()
    }

    /// Positions drawn since this one.
    pub const fn drawn_since(&self, position: i64) -> i64 {
        self.seen - position
    }
}
