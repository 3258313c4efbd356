-- The running check reads what is newest, five hundred entries at a time. A BRIN index does not know its newest pages until
-- autovacuum has summarised them: each look read thousands of pages. Entries are drawn in order, so a B-tree grows at its
-- right end only.
drop index journal_in_order;
drop index ledger_in_order;
create index journal_in_order on journal (entry);
create index ledger_in_order on ledger (entry);
