-- A task is found by its subject. Statements are planned once per session, often while the table is all but empty, and then
-- every index that holds `kind` looks as good as the key's: a plan that walks through all tasks of a kind would stay until
-- the next analysis. So the key begins with the subject, and whoever looks for one task keeps `kind` out of the other
-- index's reach (`kind || ''`).
alter table tasks
    drop constraint tasks_pkey,
    add primary key (subject, generation, kind);
