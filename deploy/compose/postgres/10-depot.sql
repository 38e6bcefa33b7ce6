-- The demonstration's database: parts in a depot, where they are, and who lent them.
--
-- Only what PostgREST needs: one exposed schema, a role that logs in, and two roles for requests.

create role visitor nologin;
create role keeper nologin;

create schema depot;
grant usage on schema depot to visitor, keeper;

create table depot.shelf (
  id integer primary key generated always as identity,
  room text not null,
  capacity integer not null check (capacity > 0),
  climate jsonb not null default '{}'
);
comment on table depot.shelf is 'Where parts are kept.';

create table depot.part (
  id integer primary key generated always as identity,
  name text not null unique,
  shelf_id integer not null references depot.shelf,
  weight_kg numeric(8, 3) not null,
  tags text[] not null default '{}',
  received_at timestamptz not null
);
comment on table depot.part is 'Everything in the depot.';

create table depot.loan (
  id integer primary key generated always as identity,
  part_id integer not null references depot.part,
  borrower text not null,
  lent_at timestamptz not null,
  returned_at timestamptz
);
comment on table depot.loan is 'Who has borrowed what, and since when.';

create view depot.overdue as
select loan.id, loan.borrower, loan.lent_at, part.name as part, now() as asked_at
from depot.loan
join depot.part on part.id = loan.part_id
where loan.returned_at is null;

create function depot.heaviest(most integer default 3) returns setof depot.part
language sql stable as 'select * from depot.part order by weight_kg desc, id limit most';

insert into depot.shelf (room, capacity, climate)
select room, 20 * number, jsonb_build_object('celsius', 14 + number, 'dry', number % 2 = 0)
from unnest(array['cellar', 'hall', 'attic', 'annex', 'tower']) with ordinality as listed (room, number);

insert into depot.part (name, shelf_id, weight_kg, tags, received_at)
select
  format('part %s', number),
  1 + number % 5,
  0.25 + (number * 37 % 400) / 8.0,
  ((array['{optics}', '{optics,fragile}', '{metal}', '{}'])[1 + number % 4])::text[],
  timestamptz '2026-01-01 08:00:00+00' + number * interval '7 hours'
from generate_series(1, 400) as number;

insert into depot.loan (part_id, borrower, lent_at, returned_at)
select
  1 + number * 13 % 400,
  (array['Ada', 'Grace', 'Vera', 'Cecilia'])[1 + number % 4],
  timestamptz '2026-03-01 12:00:00+00' + number * interval '5 hours',
  case when number % 3 > 0 then timestamptz '2026-03-02 12:00:00+00' + number * interval '5 hours' end
from generate_series(1, 120) as number;

grant select on all tables in schema depot to visitor, keeper;
grant insert, update, delete on depot.part, depot.loan to keeper;
-- Whoever borrows may say when a part came back.
grant update (returned_at) on depot.loan to visitor;
analyze;
