//! A call ends with its time, and what it has not sent by then is never sent.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

/// The call's answer; `None` if its time was up first.
///
/// The clock is read before every step of the call, for timers are not enough: a process that was stopped may
/// wake in the middle of a call, long after somebody else has taken its task over, and would go on sending
/// before its timers fire.
pub(crate) async fn at<T>(deadline: Instant, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut timer = pin!(tokio::time::sleep_until(deadline.into()));
    poll_fn(|context| {
        if Instant::now() >= deadline || timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        call.as_mut().poll(context).map(Some)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_answer_in_time_is_an_answer() {
        let deadline = Instant::now() + Duration::from_secs(600);
        assert_eq!(at(deadline, async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn a_call_without_an_answer_ends_with_its_time() {
        let deadline = Instant::now() + Duration::from_millis(10);
        assert_eq!(at(deadline, pending::<()>()).await, None);
        assert!(Instant::now() >= deadline);
    }

    #[tokio::test]
    async fn who_was_stopped_meanwhile_goes_no_further() {
        let deadline = Instant::now() + Duration::from_millis(10);
        let mut steps = 0;
        let call = poll_fn(|context| {
            steps += 1;
            // The process is stopped here, and has been told to go on before it noticed the time.
            while Instant::now() < deadline {}
            context.waker().wake_by_ref();
            if steps < 2 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        assert_eq!(at(deadline, call).await, None);
        assert_eq!(steps, 1);
    }
}
