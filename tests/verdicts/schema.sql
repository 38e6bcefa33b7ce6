-- A small shop, made so that rows change, come and go, and often get back the values that they had.
create role verdicts_anon nologin;
create role verdicts_authenticator login noinherit;
create role verdicts_insider nologin;
create role verdicts_outsider nologin;
grant verdicts_anon, verdicts_insider, verdicts_outsider to verdicts_authenticator;

create schema shop;

create table shop.item (
  id integer primary key,
  name text not null,
  grp integer not null,
  price numeric(12, 4) not null,
  weight numeric,
  ratio double precision not null,
  flag boolean not null,
  note text,
  qty bigint not null,
  code uuid not null,
  tags text[] not null,
  meta jsonb not null,
  raw bytea not null,
  made timestamptz not null,
  day date not null,
  span interval not null,
  within int4range not null
);

create table shop.part (
  id integer primary key,
  item_id integer not null references shop.item on delete cascade,
  seq integer not null,
  label text,
  unique (item_id, seq)
);

create table shop.secret (id integer primary key, hidden text);

create view shop.listing as select id, name, price from shop.item;

create function shop.in_group(wanted integer) returns setof shop.item language sql stable as
$$ select * from shop.item where grp = wanted order by id $$;

create function shop.total(wanted integer) returns numeric language sql stable as
$$ select coalesce(sum(price), 0) from shop.item where grp = wanted $$;

create function shop.dice() returns double precision language sql volatile as $$ select random() $$;

create view shop.clock as select id, name, clock_timestamp() as seen from shop.item where id <= 5;

insert into shop.item
select n, 'item ' || n, n % 40, n + 0.5, n * 1.10, n / 7.0::double precision, n % 2 = 0,
  case when n % 3 = 0 then null when n % 3 = 1 then '' else 'note ü ' || n end,
  9007199254740993 + n, ('abcdef00-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
  array['a', 'tag ' || n], jsonb_build_object('n', n, 'deep', jsonb_build_object('b', 1.50)),
  decode(lpad(to_hex(n), 8, '0'), 'hex'), timestamptz '2026-01-02 03:04:05.678901+00' + n * interval '1 hour',
  date '2026-01-01' + n, n * interval '90 minutes', int4range(n, n + 10)
from generate_series(1, 1000) n;

insert into shop.part select n, 1 + n % 1000, n / 1000, 'part ' || n from generate_series(1, 3000) n;

grant usage on schema shop to verdicts_anon, verdicts_insider, verdicts_outsider;
grant select on all tables in schema shop to verdicts_insider;
grant select on shop.item, shop.part, shop.listing, shop.clock to verdicts_anon;
analyze;
