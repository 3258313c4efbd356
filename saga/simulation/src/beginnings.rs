//! How histories begin that go deep at once.

use crate::act::{Act, Delivery, End, Fate, Role, Sum};

/// A customer's bank has reserved the money, and the coordinator is to take it. The last choice first.
pub(crate) fn capture_at_hand() -> Vec<Act> {
    let (role, end) = (Role::Coordinator, End::Well);
    let consume = |member| Act::Consume {
        role,
        member,
        limit: 5,
        end,
    };
    let poll = Act::Poll {
        role: Role::Api,
        member: 0,
        nth: 0,
    };
    vec![
        consume(1),
        consume(0),
        Act::Webhook {
            nth: 0,
            fate: Delivery::Delivered,
        },
        Act::Pays {
            payment: 0,
            how: Sum::Right,
        },
        poll,
        Act::Exchange {
            nth: 0,
            fate: Fate::Answered,
        },
        poll,
        Act::Open {
            booking: 0,
            after_seats: true,
        },
        Act::Hold {
            user: 0,
            show: 0,
            seats: 1,
        },
    ]
}

/// The gateway has refused the refund of a customer who has paid too little. The last choice first.
pub(crate) fn refund_with_person() -> Vec<Act> {
    let (role, member, end) = (Role::Refunds, 1, End::Well);
    let poll = Act::Poll {
        role,
        member,
        nth: 0,
    };
    let mut acts = vec![
        Act::Bring { role, member, end },
        poll,
        Act::Exchange {
            nth: 0,
            fate: Fate::Declined,
        },
        poll,
        Act::Lease {
            role,
            member,
            limit: 1,
        },
    ];
    acts.extend(refund_at_hand());
    acts
}

/// A customer has paid too little, and the refund worker has taken that on. The last choice first.
pub(crate) fn refund_at_hand() -> Vec<Act> {
    let end = End::Well;
    let relay = Act::Relay {
        member: 0,
        dies: false,
    };
    let consume = |role, member| Act::Consume {
        role,
        member,
        limit: 5,
        end,
    };
    vec![
        consume(Role::Refunds, 1),
        consume(Role::Refunds, 0),
        relay,
        relay,
        relay,
        relay,
        consume(Role::Coordinator, 1),
        consume(Role::Coordinator, 0),
        Act::Webhook {
            nth: 0,
            fate: Delivery::Delivered,
        },
        Act::PaysElsewhere {
            booking: 0,
            no_api: false,
            how: Sum::TooLittle,
        },
        Act::Hold {
            user: 0,
            show: 0,
            seats: 1,
        },
    ]
}
