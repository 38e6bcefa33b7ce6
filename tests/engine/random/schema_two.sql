-- A second schema, unlike the conformance schema in every name: a harbour and its shipping.
--
-- Load into an empty UTF8 database as a superuser. Passwords are documented throw-away test values.

set client_min_messages = error;

do $$
begin
  execute format('alter database %I set timezone to ''UTC''', current_database());
  if not exists (select from pg_roles where rolname = 'quay_login') then
    create role quay_login login noinherit password 'conformance';
  end if;
  if not exists (select from pg_roles where rolname = 'quay_guest') then create role quay_guest nologin; end if;
  if not exists (select from pg_roles where rolname = 'quay_captain') then create role quay_captain nologin; end if;
end $$;
grant quay_guest, quay_captain to quay_login;
set timezone to 'UTC';

create schema harbour;
create schema "Odd Schema";
create schema backroom;
create schema extras;

-- Types

create type harbour.cargo as enum ('bulk', 'Liquid', 'odd kind');
create type harbour.berth as (pier text, metre integer);
create type harbour.lot as (kind harbour.cargo, words tsvector, pieces integer);
create type harbour.knot_range as range (subtype = numeric);
create type harbour.word_range as range (subtype = text, collation = "C");
create domain harbour.knots as numeric(4,1) check (value >= 0);
create domain harbour.call_sign as text;
create domain harbour.imo as integer;
create function harbour.imo_json(harbour.imo) returns json language sql immutable as $$
  select to_json('IMO ' || $1::integer) $$;
create function harbour.imo_text(text) returns harbour.imo language sql immutable as $$
  select regexp_replace($1, '^IMO ', '')::integer::harbour.imo $$;
create cast (harbour.imo as json) with function harbour.imo_json(harbour.imo) as implicit;
create cast (text as harbour.imo) with function harbour.imo_text(text) as implicit;
create domain harbour."application/vnd.quay+text" as text;
create domain harbour."text/plain" as text;
create domain harbour."application/x-manifest" as text;
create domain harbour."application/x-binary" as jsonb;

-- Tables

create table harbour.nation (code char(2) primary key, title text not null);
create table harbour.port (
  nation   char(2) not null references harbour.nation,
  port_no  smallint not null,
  title    text,
  depth    numeric(5,2),
  season   daterange,
  tags     text[],
  spot     point,
  primary key (nation, port_no)
);
create table harbour.firm (
  firm_id   integer primary key,
  title     text not null,
  parent    integer constraint firm_parent references harbour.firm
);
create table harbour.firm_ally (
  firm_id  integer not null constraint ally_one references harbour.firm,
  ally_id  integer not null constraint ally_two references harbour.firm,
  primary key (firm_id, ally_id)
);
create table harbour.vessel (
  vessel_id    integer primary key,
  title        text not null,
  kind         harbour.cargo,
  tonnage      integer,
  half         integer generated always as (tonnage / 2) stored,
  speed        harbour.knots,
  sign         harbour.call_sign,
  number       harbour.imo,
  home_nation  char(2),
  home_port    smallint,
  owner_id     integer constraint vessel_owner references harbour.firm,
  builder_id   integer constraint vessel_builder references harbour.firm,
  spec         jsonb,
  log          json,
  built        date,
  crewed       boolean,
  slot         harbour.berth,
  holds        harbour.cargo[],
  hull         bytea,
  constraint vessel_home foreign key (home_nation, home_port) references harbour.port (nation, port_no)
);
create table harbour.passport (
  vessel_id  integer primary key references harbour.vessel,
  issued     date,
  weight     double precision
);
create table harbour.voyage (
  voyage_id    integer primary key,
  vessel_id    integer references harbour.vessel,
  from_nation  char(2),
  from_port    smallint,
  to_nation    char(2),
  to_port      smallint,
  sailing      tstzrange,
  left_at      timestamptz,
  toll         numeric(8,2),
  constraint voyage_from foreign key (from_nation, from_port) references harbour.port (nation, port_no),
  constraint voyage_to foreign key (to_nation, to_port) references harbour.port (nation, port_no)
);
create table harbour.pilot (pilot_id integer primary key, title text, words tsvector);
create table harbour.pilotage (
  voyage_id  integer references harbour.voyage,
  pilot_id   integer references harbour.pilot,
  primary key (voyage_id, pilot_id)
);
create table harbour.tide (
  day       date not null,
  nation    char(2) not null,
  port_no   smallint not null,
  height    real,
  primary key (day, nation, port_no),
  constraint tide_port foreign key (nation, port_no) references harbour.port (nation, port_no)
) partition by range (day);
create table harbour.tide_early partition of harbour.tide for values from ('2020-01-01') to ('2020-02-01');
create table harbour.tide_late partition of harbour.tide for values from ('2020-02-01') to ('2020-03-01');
create table harbour.contraband (
  id        integer primary key,
  vessel_id integer references harbour.vessel,
  finder    text,
  what      text
);
alter table harbour.contraband enable row level security;
create policy seen_by_guests on harbour.contraband for select to quay_guest using (finder is null);
create policy seen_by_captains on harbour.contraband for select to quay_captain
  using (finder is null or finder = current_setting('request.jwt.claims', true)::json ->> 'sub');
create table harbour.ledger (id integer primary key, memo text, amount numeric);
create table backroom.safe (safe_id integer primary key, firm_id integer references harbour.firm, combination text);
create table harbour.crate (
  crate_id  integer primary key,
  lot       harbour.lot,
  lots      harbour.lot[],
  speeds    harbour.knot_range,
  labels    harbour.word_range,
  signs     harbour.call_sign[],
  kinds     harbour.cargo[],
  net       inet,
  price     money,
  flags     bit(3),
  gap       interval
);
create table harbour.nothing ();
create table harbour.void_rows (id integer primary key, note text);

-- Names

create table harbour."Quay Side" (
  "Key No"    integer primary key,
  "a.b"       text,
  "%(x)s"     text,
  ":x"        text,
  "quo""te"   text,
  "ünï çødé"  text,
  "select"    text,
  "order"     integer,
  "100%"      text,
  "back\slash" text,
  "par(en)"   text,
  "com,ma"    text,
  "$1"        text,
  "?"         text
);
create table harbour."order" (
  "limit"  integer primary key,
  "from"   integer references harbour."Quay Side" ("Key No"),
  "group"  text
);
create table harbour."%(t)s:x" (id integer primary key, "order" integer references harbour."order");
create table harbour."a_table_whose_name_is_exactly_sixty_three_bytes_long_so_it_fits" (
  "a_column_whose_name_is_exactly_sixty_three_bytes_long_so_it_fit"  integer primary key,
  note text,
  up   integer references harbour."a_table_whose_name_is_exactly_sixty_three_bytes_long_so_it_fits"
);
create table harbour."a_second_name_that_is_exactly_sixty_three_bytes_long_and_points" (
  id   integer primary key,
  ref  integer references harbour."a_table_whose_name_is_exactly_sixty_three_bytes_long_so_it_fits"
);
do $$
begin
  execute 'create table harbour.wide (id integer primary key, '
    || (select string_agg(format('c%s integer', lpad(n::text, 3, '0')), ', ' order by n) from generate_series(1, 200) n)
    || ')';
end $$;
create table "Odd Schema"."Thing" ("Id" integer primary key, "Kind" text, firm integer references harbour.firm);
create table "Odd Schema".part (part_no integer primary key, thing integer references "Odd Schema"."Thing" ("Id"));
create table "Odd Schema".vessel (only_here integer primary key);

-- Views

create view harbour.big_vessel as
  select vessel_id as big_id, title as big_title, tonnage, owner_id as big_owner, home_nation, home_port, number
    from harbour.vessel where tonnage >= 100;
create view harbour.huge_vessel as
  select big_id as huge_id, big_title as huge_title, big_owner as huge_owner from harbour.big_vessel
   where tonnage >= 1000;
create view harbour.safe as select safe_id, firm_id as kept_by from backroom.safe;
create view harbour.voyage_card as
  select v.voyage_id, v.vessel_id, s.title as vessel_title, v.from_nation, v.from_port
    from harbour.voyage v join harbour.vessel s using (vessel_id);
create materialized view harbour.port_traffic as
  select p.nation, p.port_no, count(v.*) as departures
    from harbour.port p left join harbour.voyage v on (v.from_nation, v.from_port) = (p.nation, p.port_no)
   group by p.nation, p.port_no
  with no data;

-- Computed columns and relationships

create function harbour.label(harbour.vessel) returns text language sql immutable as $$
  select $1.title || '/' || coalesce($1.kind::text, '?') $$;
create function harbour.label(harbour.firm) returns text language sql immutable as $$ select upper($1.title) $$;
create function extras.weight_class(harbour.vessel) returns integer language sql immutable as $$
  select $1.tonnage / 100 $$;
create function harbour.last_voyage(harbour.vessel) returns setof harbour.voyage rows 1 language sql stable as $$
  select * from harbour.voyage where vessel_id = $1.vessel_id order by voyage_id desc limit 1 $$;
create function harbour.neighbours(harbour.port) returns setof harbour.port language sql stable as $$
  select * from harbour.port where nation = $1.nation and port_no <> $1.port_no $$;
create function harbour.allies(harbour.firm) returns setof harbour.firm language sql stable as $$
  select f.* from harbour.firm f join harbour.firm_ally a on a.ally_id = f.firm_id where a.firm_id = $1.firm_id $$;
create function harbour.maker("Odd Schema"."Thing") returns setof harbour.firm rows 1 language sql stable as $$
  select * from harbour.firm where firm_id = $1.firm $$;
create function "Odd Schema".maker("Odd Schema"."Thing") returns setof harbour.firm rows 1 language sql stable as $$
  select * from harbour.firm where firm_id = $1.firm $$;

-- Media types

create function harbour.quay_step(state harbour."application/vnd.quay+text", item harbour.pilot)
returns harbour."application/vnd.quay+text" language sql immutable as $$
  select (state || item.pilot_id || '=' || coalesce(item.title, '?') || ';')::harbour."application/vnd.quay+text" $$;
create aggregate harbour.quay_text (harbour.pilot) (
  sfunc = harbour.quay_step, stype = harbour."application/vnd.quay+text", initcond = '');
create function harbour.manifest_step(state harbour."application/x-manifest", item anyelement)
returns harbour."application/x-manifest" language sql immutable as $$
  select (state || '<' || item::text || '>')::harbour."application/x-manifest" $$;
create aggregate harbour.manifest (anyelement) (
  sfunc = harbour.manifest_step, stype = harbour."application/x-manifest", initcond = '');
create function harbour.binary_step(state harbour."application/x-binary", item anyelement)
returns harbour."application/x-binary" language sql immutable as $$
  select (state || to_jsonb(item))::harbour."application/x-binary" $$;
create aggregate harbour.binary_rows (anyelement) (
  sfunc = harbour.binary_step, stype = harbour."application/x-binary", initcond = '[]');

-- Functions

create function harbour.hello(who text) returns text language sql immutable as $$ select 'Ahoy ' || who $$;
create function harbour.pick(n integer) returns text language sql immutable as $$ select 'one integer' $$;
create function harbour.pick(n integer, m integer) returns text language sql immutable as $$ select 'two integers' $$;
create function harbour.half_named(n integer, integer) returns text language sql immutable as $$ select 'h' $$;
create function harbour.clash(n integer) returns text language sql immutable as $$ select 'i' $$;
create function harbour.clash(n text) returns text language sql immutable as $$ select 't' $$;
create function harbour.preset(a integer default 1, b text default 'b') returns text language sql immutable as $$
  select a || b $$;
create function harbour.total(variadic n integer[]) returns bigint language sql immutable as $$
  select sum(x) from unnest(n) x $$;
create function harbour.split(n integer, out tens integer, out ones integer) language sql immutable as $$
  select n / 10, n % 10 $$;
create function harbour.one_result(out sum integer) language sql immutable as $$ select 3 $$;
create function harbour.squares(top integer default 3) returns table (n integer, "Square" integer)
language sql immutable as $$ select x, x * x from generate_series(1, top) x $$;
create function harbour.evens(top integer) returns setof integer language sql immutable as $$
  select x from generate_series(2, top, 2) x $$;
create function harbour.fleet(minimum integer default 0) returns setof harbour.vessel language sql stable as $$
  select * from harbour.vessel where tonnage >= minimum order by vessel_id $$;
create function harbour.flagship() returns harbour.vessel language sql stable as $$
  select * from harbour.vessel order by tonnage desc nulls last limit 1 $$;
create function harbour.take_json(json) returns json language sql immutable as $$ select $1 $$;
create function harbour.take_text(text) returns text language sql immutable as $$ select length($1)::text $$;
create function harbour.take_bytes(bytea) returns integer language sql immutable as $$ select length($1) $$;
create function harbour.kinds() returns setof harbour.cargo language sql immutable as $$
  select unnest(enum_range(null::harbour.cargo)) $$;
create function harbour.pieces(l harbour.lot) returns integer language sql immutable as $$ select (l).pieces $$;
create function harbour.all_pieces(l harbour.lot[]) returns bigint language sql immutable as $$
  select sum((x).pieces) from unnest(l) x $$;
create function harbour.span(k harbour.knot_range, w harbour.word_range default null) returns numeric language sql immutable as $$
  select upper(k) - lower(k) $$;
create function harbour.quiet() returns void language sql stable as $$ select $$;
create function harbour.plain_note() returns harbour."text/plain" language sql immutable as $$
  select 'just text'::harbour."text/plain" $$;
create function harbour.season_of(p daterange, k harbour.cargo default 'bulk') returns text
language sql immutable as $$ select lower(p) || ' ' || k $$;
create function harbour.refuse(code text, note text default 'refused') returns text language plpgsql stable as $$
begin raise exception using errcode = code, message = note, detail = 'the detail', hint = 'the hint'; end $$;
create function harbour.whoami() returns json language sql stable as $$
  select json_build_object('role', current_user, 'sub', current_setting('request.jwt.claims', true)::json ->> 'sub') $$;
create function harbour."Loud %(x)s"(":x" text, "select" text default 's') returns text language sql immutable as $$
  select ":x" || "select" $$;
create function harbour.writes_ledger(n integer) returns void language sql volatile as $$
  insert into harbour.ledger (id) values (n) $$;
create function harbour.guarded() returns integer language sql stable as $$ select 1 $$;

-- Rights

grant usage on schema harbour, "Odd Schema", extras to quay_guest, quay_captain;
grant select on all tables in schema harbour, "Odd Schema" to quay_guest, quay_captain;
revoke select on harbour.ledger from quay_guest;
grant select (id, memo) on harbour.ledger to quay_guest;
revoke execute on function harbour.guarded() from public;
grant execute on function harbour.guarded() to quay_captain;

-- Rows

insert into harbour.nation values ('NL', 'Netherlands'), ('DK', 'Denmark'), ('XX', 'No ports');
insert into harbour.port values
  ('NL', 1, 'Rotterdam', 24.00, '[2020-01-01,2020-06-01)', '{deep,"big, wide"}', '(1,2)'),
  ('NL', 2, 'Delfzijl', 9.50, null, '{}', null),
  ('DK', 1, 'Aarhus', 14.25, '[2020-03-01,)', null, '(3,4)');
insert into harbour.firm values (1, 'Aker', null), (2, 'Boskalis', 1), (3, 'Cargill', 1), (4, 'Damen', 3);
insert into harbour.firm_ally values (1, 2), (1, 3), (3, 1);
insert into harbour.vessel
  (vessel_id, title, kind, tonnage, speed, sign, number, home_nation, home_port, owner_id, builder_id, spec, log, built, crewed, slot, holds, hull)
values
  (1, 'Anna', 'bulk', 50, 9.5, 'PA1', 9000001, 'NL', 1, 1, 4, '{"deck": {"n": 1}, "tags": ["x", "y"]}', '{"b" : 1, "a": 2}', '1999-05-01', true, '(north,4)', '{bulk,"odd kind"}', '\x00ff'),
  (2, 'Björk, "the" swan', 'Liquid', 150, 12, null, null, 'NL', 2, 2, 4, '{"deck": {"n": 2}}', '[1, 2]', '2005-01-31', false, null, '{}', ''),
  (3, 'Cato', null, 1500, 20.5, 'PC3', 9000003, 'DK', 1, 2, null, null, null, null, null, '(,)', null, null),
  (4, 'Dora (new)', 'odd kind', 1200, 0, 'PD\4', 9000004, null, null, null, 4, '{"deck": null, "n": "7"}', '"s"', '2020-02-29', true, '("south pier",12)', '{Liquid}', '\xdeadbeef');
insert into harbour.passport values (1, '2000-01-01', 1.5), (3, null, 'NaN'), (4, '2021-01-01', 'Infinity');
insert into harbour.voyage values
  (1, 1, 'NL', 1, 'DK', 1, '[2020-01-01 00:00+00,2020-01-03 00:00+00)', '2020-01-01 06:00+00', 100.50),
  (2, 1, 'DK', 1, 'NL', 1, null, '2020-01-05 06:00+02', 99.00),
  (3, 2, 'NL', 2, 'NL', 1, '[2020-02-01 00:00+00,)', null, null),
  (4, 3, 'DK', 1, 'NL', 2, 'empty', '2020-03-01 12:34:56.789+00', 1000.00),
  (5, null, null, null, null, null, null, null, 0.01);
insert into harbour.pilot values (1, 'Piet', 'tall:1A ship:2'), (2, 'Pia', 'small:1 boat:2'), (3, null, null);
insert into harbour.pilotage values (1, 1), (1, 2), (2, 1), (4, 2);
insert into harbour.tide
  select d::date, n.nation, n.port_no, extract(day from d) / 4
    from generate_series('2020-01-01'::date, '2020-02-29', '1 day') d,
         (values ('NL', 1), ('DK', 1)) n (nation, port_no);
insert into harbour.contraband values (1, 1, null, 'rum'), (2, 1, 'ahab', 'gold'), (3, 2, 'nemo', 'maps');
insert into harbour.crate values
  (1, $$(bulk,tea:1,5)$$, '{"(bulk,tea:1,5)"}', '[1,2)', '[a,c)', '{PA1}', '{bulk}', '10.0.0.1/8', 12.5, '101', '1 day'),
  (2, null, null, null, null, null, null, null, null, null, null);
insert into harbour.ledger values (1, 'one', 1), (2, 'two', 2);
insert into backroom.safe values (1, 1, '1-2-3'), (2, 3, '4-5-6');
insert into harbour."Quay Side" values
  (1, 'dot', 'percent', 'colon', 'quote', 'ünï', 'sel', 10, 'hundred', 'back', 'par', 'com', 'dollar', 'mark'),
  (2, null, '%(x)s', ':x', '"', 'ß', 'select', 5, '100%', '\', '()', ',', '$1', '?'),
  (3, 'dot', null, null, null, null, null, null, null, null, null, null, null, null);
insert into harbour."order" values (1, 1, 'g1'), (2, 1, 'g2'), (3, 2, null), (4, null, 'g1');
insert into harbour."%(t)s:x" values (1, 1), (2, 3);
insert into harbour."a_table_whose_name_is_exactly_sixty_three_bytes_long_so_it_fits" values (1, 'root', null), (2, 'leaf', 1);
insert into harbour."a_second_name_that_is_exactly_sixty_three_bytes_long_and_points" values (1, 2), (2, null);
insert into harbour.wide (id, c001, c100, c200) values (1, 11, 12, 13), (2, null, null, 2);
insert into "Odd Schema"."Thing" values (1, 'First', 2), (2, 'second', null);
insert into "Odd Schema".part values (10, 1), (11, 1), (12, null);
insert into "Odd Schema".vessel values (7);
refresh materialized view harbour.port_traffic;
grant select on harbour.port_traffic to quay_guest, quay_captain;
analyze;
