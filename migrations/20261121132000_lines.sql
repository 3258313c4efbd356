-- What can hold a task back for a while: the gateway account that it calls, when that does not answer; and, for
-- the refund of a cancelled show, an operator's pause. A kind's tasks of one gateway and one such show are a lane;
-- each lane has its own order in the index, so that whoever leases passes by a lane with 100,000 due tasks without
-- looking at one of them.
alter table tasks
    -- `gateway/account`; empty: the task calls none, or it is not known which.
    add column gateway   text not null default '',
    -- The show whose mass refund this is part of; 0: of none.
    add column mass_show bigint not null default 0;
create index tasks_due_by_lane on tasks (kind, gateway, mass_show, due_at);
drop index tasks_due;

-- Those that were there before.
update tasks t set gateway = p.gateway || '/' || p.account
from payments p
where t.kind in ('verify', 'void') and p.payment_id = t.subject;
update tasks t set gateway = p.gateway || '/' || p.account
from refunds r join payments p on p.payment_id = r.payment_id
where t.kind = 'refund' and r.refund_id = t.subject;

-- Shows whose mass refunds an operator has paused. `operator_acts` remembers all of them, this only the present.
create table refund_pauses (
    show_id   bigint primary key,
    paused_at timestamptz not null default clock_timestamp(),
    paused_by text not null,
    why       text not null
);

-- The lanes of these kinds from which tasks may be leased. A loose index scan: one probe per lane, however many
-- tasks a lane has. `held`: gateway accounts that are not called at present.
create function open_lanes(kinds text[], held text[])
    returns table (kind text, gateway text, mass_show bigint)
    language sql stable
as $$
    with recursive lanes as (
        select k.kind, first.gateway, first.mass_show
        from unnest(kinds) as k (kind)
        cross join lateral (
            select t.gateway, t.mass_show from tasks t where t.kind = k.kind
            order by t.gateway, t.mass_show limit 1
        ) as first
        union all
        select lanes.kind, next.gateway, next.mass_show
        from lanes
        cross join lateral (
            select t.gateway, t.mass_show from tasks t
            where t.kind = lanes.kind and (t.gateway, t.mass_show) > (lanes.gateway, lanes.mass_show)
            order by t.gateway, t.mass_show limit 1
        ) as next
    )
    select lanes.kind, lanes.gateway, lanes.mass_show
    from lanes
    where lanes.gateway <> all (held)
      and not exists (select from refund_pauses p where p.show_id = lanes.mass_show)
$$;

-- How far the mass refunds of a show are.
create index refunds_of_cancelled_shows on refunds (show_id, standing, done_at) include (amount_minor, currency)
    where cause = 'SHOW_CANCELLED';
