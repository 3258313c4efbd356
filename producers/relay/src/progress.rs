//! How far a relay has come: what is published, the window in hand, and what may be said of the next one.
//! Without I/O; what is noted here has been committed to the cursor's row just before.

use crate::window::{Frontier, Snapshot, Window};

/// How far a relay has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Progress {
    from: Frontier,
    window: Option<Window>,
    last_position: i64,
    /// The last drawn position, as read last.
    seen: i64,
    /// What `seen` was before our last commit.
    witnessed: i64,
}

/// What is to be written down after a page was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Everything up to this position is published.
    Advance(i64),
    /// The window is done.
    Finish,
}

impl Progress {
    /// As the cursor's row says when it is claimed. `drawn` is the last drawn position, read before the claim.
    pub const fn claimed(
        from: Frontier,
        window: Option<Window>,
        last_position: i64,
        drawn: i64,
    ) -> Self {
        Self {
            from,
            window,
            last_position,
            seen: drawn,
            witnessed: drawn,
        }
    }

    /// The window in hand, and behind which position in it to go on.
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

    /// The last drawn position was read.
    pub const fn saw(&mut self, drawn: i64) {
        self.seen = drawn;
    }

    /// The last drawn position was read, and then a snapshot was taken. Whether there may be anything to
    /// publish.
    pub fn looked(&mut self, drawn: i64, now: &Snapshot) -> bool {
        self.seen = drawn;
        self.from.may_have_news(now, drawn)
    }

    /// Above which position those transactions draw that a snapshot taken now does not know. The lesser, for a
    /// sequence that was set back since.
    pub fn drawn(&self) -> i64 {
        self.witnessed.min(self.seen)
    }

    /// S2 was taken and committed, with what [`Progress::drawn`] said before.
    pub fn opened(&mut self, s2: Snapshot, drawn: i64) {
        self.committed();
        self.window = Some(Window::new(&self.from, s2, drawn));
        self.last_position = 0;
    }

    /// It was committed that everything up to this position is published.
    pub const fn advanced(&mut self, position: i64) {
        self.committed();
        self.last_position = position;
    }

    /// What takes the place of S1 when the window in hand is done.
    pub fn finishes_at(&self) -> Option<&Frontier> {
        self.window.as_ref().map(Window::to)
    }

    /// That was committed.
    pub fn finished(&mut self) {
        self.committed();
        if let Some(window) = self.window.take() {
            self.from = window.to().clone();
        }
        self.last_position = 0;
    }

    /// Something of our own was committed after the last drawn position was read.
    pub const fn committed(&mut self) {
        self.witnessed = self.seen;
    }
}

/// What follows when a page is published, up to `last` if it had any rows.
pub const fn after_page(last: Option<i64>, has_more: bool) -> Next {
    match last {
        Some(last) if has_more => Next::Advance(last),
        _ => Next::Finish,
    }
}
