//! The cells, with what is so and what becomes of it, in words.

/// Writes the cells down once: their order, their names, their words.
macro_rules! cells {
    ($($group:ident: $title:literal { $($cell:ident: $so:literal => $becomes:literal,)* })*) => {
        /// What an input finds. The order is that of the published table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        pub enum Cell {
            $($(
                #[doc = concat!($title, ": ", $so, ". Then: ", $becomes, ".")]
                $cell,
            )*)*
        }

        /// What a cell is about: a section of the published table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Group {
            $(
                #[doc = concat!($title, ".")]
                $group,
            )*
        }

        impl Cell {
            /// All cells, in order.
            pub const ALL: &'static [Self] = &[$($(Self::$cell,)*)*];

            /// Its name in tables and reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$cell => stringify!($cell),)*)*
                }
            }

            /// What is so.
            pub const fn so(self) -> &'static str {
                match self {
                    $($(Self::$cell => $so,)*)*
                }
            }

            /// What becomes of it.
            pub const fn becomes(self) -> &'static str {
                match self {
                    $($(Self::$cell => $becomes,)*)*
                }
            }

            /// Its section.
            pub const fn group(self) -> Group {
                match self {
                    $($(Self::$cell => Group::$group,)*)*
                }
            }
        }

        impl Group {
            /// Its title.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$group => $title,)*
                }
            }
        }
    };
}

cells! {
    Holds: "Holds" {
        HoldOfFreeSeats: "every seat is free" => "held",
        HoldOfReclaimableSeats:
            "a seat is another's, whose time is over"
            => "held; the other learns it by the seat",
        HoldOfTakenSeats: "a seat is somebody else's, or not for sale" => "refused, with the seats",
        HoldReplacingAnEarlier: "the customer holds others already" => "held; the earlier hold gives way",
        HoldWhilePaying:
            "the customer is paying for an earlier hold"
            => "refused: nobody loses a hold that they pay for",
        HoldThatCannotBe:
            "no seats, too many, twice the same, unknown ones, an id that is taken"
            => "refused",
        ReleaseOfAHold: "the customer gives a hold up" => "released, the seats are free",
        ReleaseWhilePaying:
            "and an attempt to pay is open"
            => "released; the attempt is cancelled at the gateway",
        ReleaseOfNoHold: "there is nothing to give up" => "refused, or known",
        WarningDue: "the hold's end is near" => "the customer is warned",
        HoldRanOut: "the hold's time is over" => "expired, the seats are free",
        HoldRanOutWhilePaying:
            "and an attempt to pay is open"
            => "expired; the attempt is cancelled at the gateway, and until that is known nothing is called failed",
        TimerTooEarly: "the hold was extended" => "the timer is set again",
        TimerOfNoHold: "the hold has ended by other means" => "nothing",
    }
    Cancellations: "Cancellations" {
        CancelOfAHold: "a hold is cancelled by anybody" => "cancelled, the seats are free",
        CancelWhilePaying:
            "and an attempt to pay is open"
            => "cancelled; the attempt is cancelled at the gateway",
        CustomerCancelsPaid: "the customer cancels what is paid" => "cancelled; the money goes back whole",
        CustomerCancelsPaidWithFee:
            "and agreed to a fee with the hold"
            => "cancelled; the fee is kept, the rest goes back",
        OperatorCancelsPaid: "an operator cancels what is paid" => "cancelled; the money goes back whole",
        ShowCancelsPaid:
            "the show of a paid booking is cancelled"
            => "cancelled; the money goes back whole, in the lane of mass refunds",
        CancelAgain: "it is cancelled already" => "known",
        CancelOfALapsed: "it has lapsed: nothing is held or owned" => "refused",
    }
    Attempts: "Attempts to pay" {
        FirstAttempt: "the hold lives" => "open; the seats are kept a little longer",
        FurtherAttempt: "an earlier attempt was made" => "open; the seats are kept no longer than before",
        AttemptAfterTheHold: "the hold is over" => "refused",
        AttemptOnAPaidBooking: "it is paid" => "refused",
        AttemptToldAgain: "the attempt is there already" => "known",
        AttemptHasAnId: "the gateway gave it an id" => "written down",
        AttemptHasAnIdTooLate: "and the hold is over" => "written down; its cancelling needs it",
        AttemptHasAnIdAgain: "it is known" => "known",
        AttemptHasAnIdAfterAll: "and another call for it was declined, or it was cancelled" => "open again; asked about, or cancelled with its booking",
        AttemptDeclined: "the gateway will not open it" => "closed; another may be made",
        AttemptDeclinedButThere: "and another call has opened it, or it is over" => "known",
        HintListenedTo: "the browser says that it paid" => "the gateway is asked",
        HintTooSoon: "and said so a moment ago" => "refused, with the time to wait",
        HintOfNoUse: "what it hints at is known, or is no attempt of the booking" => "known, or refused",
    }
    Money: "Money that has come" {
        PaidInTime: "in time, the right amount" => "confirmed",
        PaidAfterADecline:
            "in time, after the same attempt had been declined"
            => "confirmed: a decline is never final",
        PaidUnseen:
            "in time, by a payment that we never opened or have not written down yet"
            => "confirmed, and the payment is written down",
        PaidLateSeatsKept:
            "after the promised end, before anybody took the seats"
            => "confirmed: no clock is compared",
        PaidLateSeatsTaken:
            "after the end, a seat is taken; the hold had not been tidied up"
            => "seats lost, the money goes back whole",
        PaidExpiredSeatsFree:
            "the hold had expired, every seat is free"
            => "confirmed: the seats are taken again",
        PaidExpiredSomeSeatsTaken:
            "the hold had expired, some seats are somebody's"
            => "seats lost, the money goes back whole",
        PaidExpiredAllSeatsTaken:
            "the hold had expired, all seats are somebody's"
            => "seats lost, the money goes back whole",
        PaidReleasedSeatsFree:
            "the hold was released, every seat is free"
            => "confirmed: who pays wants to come",
        PaidReleasedSeatsTaken:
            "the hold was released, a seat is somebody's"
            => "seats lost, the money goes back whole",
        PaidReplacedSeatsFree: "a newer hold took its place, every seat is free" => "confirmed",
        PaidReplacedSeatsTaken:
            "a newer hold took its place, a seat is somebody's (or that hold's)"
            => "seats lost, the money goes back whole",
        PaidLostSeatsFree:
            "its seats had been lost to an earlier payment of its own, and are free now"
            => "confirmed",
        PaidLostSeatsTaken: "and still are" => "the money goes back whole",
        PaidCancelled: "the booking is cancelled" => "the money goes back whole, even if the seats are free",
        PaidShowCancelled:
            "the show is cancelled, the booking has not had its turn yet"
            => "seats lost, the money goes back whole",
        PaidTwiceSameGateway:
            "the booking is paid; by another attempt at the same gateway"
            => "the second goes back whole, the booking stays",
        PaidTwiceOtherGateway:
            "the booking is paid; by another gateway or account"
            => "the second goes back whole, the booking stays",
        PaidTooLittle: "less than the price" => "goes back whole, the booking stays as it is",
        PaidTooMuch: "more than the price" => "goes back whole, the booking stays as it is",
        PaidOtherCurrency: "in another currency" => "goes back whole, the booking stays as it is",
        PaidToldAgain: "this payment is decided: another event, the same news" => "known",
        PaidToldAgainAfterReturn:
            "this payment is decided, and its money is on its way back or there"
            => "known: it is not returned twice",
        ToldOfAnothersPayment:
            "the gateway's payment is another booking's"
            => "a person compares with the gateway",
        PaidToldWithOtherAmount:
            "this payment is decided, and was of another amount"
            => "a person compares with the gateway",
    }
    Declined: "Money that has not come" {
        Declined: "the attempt is declined" => "the hold stays, another card may be tried",
        DeclinedOldNews: "the attempt is declined, cancelled or reserved already" => "known",
        DeclinedAfterPaid: "and its money had come" => "known; the gateway is asked which is true",
        CancelledAtGateway: "the attempt is cancelled at the gateway" => "closed",
        CancelledOldNews: "and that is known" => "known",
        CancelledAfterPaid: "and its money had come" => "known; the gateway is asked which is true",
        NothingNew: "open, or the bank is at work on it" => "nothing",
        AskedAndAnswered:
            "we asked and were answered"
            => "the answer comes in by the door of all money; the next question is set",
        AskedInVain: "we asked and nobody answered" => "neither success nor failure: asked again",
        DoubtConfirmed: "we asked because of a contradiction: the money is there" => "known",
        DoubtJustified:
            "we asked because of a contradiction: the money is not there"
            => "a person compares with the gateway",
        VoidedNothingTaken: "we cancelled an attempt: nothing was taken" => "closed",
        VoidNotPossible: "this gateway cannot cancel it" => "closed; late money stays expected",
        VoidUnknown: "we asked to cancel, and nobody answered" => "asked again",
        VoidUnknownForLong: "and so for many tries" => "asked again, and a person is told",
        VoidAnsweredLate: "the attempt is decided already" => "known",
    }
    Reserved: "Money that is reserved, not taken" {
        ReservedByItself: "the gateway takes money by itself; the hold lives" => "nothing: it will be taken",
        ReservedForNothing:
            "the gateway takes money by itself; the booking is over or paid"
            => "given up, if the gateway can",
        ReservedSeatsKept:
            "we take it after the seats; they are the customer's"
            => "the seats are kept, the money is taken",
        ReservedSeatsFree: "the hold was over, every seat is free" => "held again, the money is taken",
        ReservedSeatsTaken: "a seat is somebody's" => "given up: no refund is needed",
        ReservedTwice: "the booking is paid" => "given up",
        ReservedCancelled: "the booking is cancelled" => "given up",
        ReservedOtherAmount: "another amount or currency than the price" => "given up",
        ReservedToldAgain: "it is known" => "known",
        TakingDeclined: "asked to take it: it cannot be taken" => "closed; the hold stays while it lives",
        TakingLater: "asked to take it: not now" => "asked again",
        TakingUnknown: "asked to take it: nobody answered" => "asked again",
        TakingUnknownForLong: "and so for many tries" => "asked again, and a person is told",
        TakingAnsweredLate: "it is decided already, or given up" => "known",
    }
    Refunds: "Refunds" {
        RefundTaken: "a worker takes it on" => "under way",
        RefundTakenAgain: "it is under way or further" => "known",
        RefundDone: "the gateway has returned it" => "done",
        RefundAccepted: "the gateway has it and is not finished" => "pending, looked at again",
        RefundAcceptedForDays: "and so for days" => "looked at again, and a person is told",
        RefundDeclined: "the gateway will not make it" => "a person decides",
        RefundDeclinedReturnedAlready:
            "the gateway will not make it, because the customer has the money already"
            => "withdrawn",
        RefundFailed: "it did not arrive" => "a person decides",
        RefundFailedAfterDone: "it was done, and came back" => "reopened: a person decides",
        RefundNotNow: "the gateway says: later" => "asked again",
        RefundUnknown: "nobody answered" => "looked up, then asked again",
        RefundUnknownForLong: "and so for many tries" => "asked again, and a person is told",
        RefundNothingAlive:
            "looked up: nothing of it is alive, and its key is spent"
            => "asked for under the next key",
        RefundToldAgain: "that is known" => "known",
        RefundAnsweredLate: "the refund has ended, or has another key by now" => "known",
        RefundMadeByHand: "a person made it at the gateway for one that nobody makes at the moment" => "done",
        RefundOfOtherAmount:
            "it bears our name and another amount"
            => "counted by itself; ours is not made any more",
        RefundAfterAll:
            "a person returns it by another way, or has; or it was withdrawn"
            => "counted; a person stops the other way",
        RefundRetried: "an operator has it tried again" => "requested; looked up first",
        RefundOtherWay: "an operator sends it by another way" => "with the operator until there is proof",
        RefundSettledElsewhere: "an operator shows that it arrived by another way" => "done",
        RefundVerbRefused:
            "an operator wants one of these, and it does not wait for a person"
            => "refused, or known",
    }
    Foreign: "Refunds that we did not ask for" {
        ForeignPart:
            "a part of a payment was returned on the gateway's dashboard"
            => "counted; the booking stays; a person looks",
        ForeignWhole:
            "the whole of what was still ours was returned there"
            => "counted; the booking stays; a person looks",
        ForeignBesideOurs:
            "more than what was still ours was returned there"
            => "what is not yet on its way is withdrawn, the rest is a loss; a person looks",
        ForeignPending: "one was begun there" => "counted as on its way; a person looks",
        ForeignFailed: "one did not arrive" => "the money pays for the booking again, or waits for a person",
        ForeignToldAgain: "that is known" => "known",
        ForeignBeforeItsPayment: "one is told before the payment is known to be taken" => "kept, and counted with the payment; a person looks",
        ForeignUnknownPayment: "of a payment or currency that we do not have" => "a person looks",
    }
    Disputes: "Disputes" {
        DisputeOpened: "the customer's bank disputes a payment" => "a person answers it at the gateway",
        DisputeWon: "it is decided for us" => "nothing moves",
        DisputeLost: "it is decided against us" => "charged back; the booking stays; a person looks",
        DisputeLostBeyond:
            "and what was still ours does not cover it"
            => "charged back; what is not yet on its way back is withdrawn, the rest is a loss; a person looks",
        DisputeWonAfterLost:
            "it was lost, and is won in a further instance"
            => "the money pays for the booking again, or waits for a person",
        DisputeToldAgain: "that is known" => "known",
        DisputeUnknownPayment: "about a payment that we do not have" => "a person looks",
    }
    Others: "Whatever else" {
        Swept: "nobody is at work on what is open here" => "its tasks are set again",
        NoSuchBooking:
            "a booking that is not there (yet)"
            => "refused; a record about it is parked and traced",
    }
}
