-- Tasks come and go: each booking's timer is removed when it is paid, and whoever looks for what is due walks through the
-- index entries of those that are gone until a vacuum removes them. So it begins early, and does not pause;
-- `autovacuum_naptime` of the server decides how soon.
alter table tasks set (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    -- Letters come as fast as they go: the file need not shrink, which would lock everybody out meanwhile.
    vacuum_truncate = off
);
