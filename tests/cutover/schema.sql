-- A depot: rows up to 1000 never change, so that what a read of them has to answer is known; the others do.
create role cutover_anon nologin;
create role cutover_upstream login noinherit;
create role cutover_engine login noinherit;
grant cutover_anon to cutover_upstream, cutover_engine;

create schema depot;

create table depot.shelf (id integer primary key, place text not null);

create table depot.item (
  id integer primary key,
  shelf_id integer not null references depot.shelf,
  name text not null,
  price numeric(10, 2) not null,
  made timestamptz not null
);

create table depot.note (id integer primary key, item_id integer references depot.item, text text);

insert into depot.shelf select n, 'place ' || n from generate_series(1, 20) n;
insert into depot.item
select n, 1 + n % 20, 'item ' || n, n * 1.10, timestamptz '2026-01-02 03:04:05+00' + n * interval '1 hour'
from generate_series(1, 200) n;
insert into depot.note select n, 1 + n % 200, 'note ' || n from generate_series(1, 300) n;

grant usage on schema depot to cutover_anon;
grant select, insert, update, delete on all tables in schema depot to cutover_anon;
analyze;
