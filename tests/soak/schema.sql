-- What is read by soak: facts never change; the rest does.
create role soak_anon nologin;
create role soak_reader nologin;
create role soak_login login noinherit;
grant soak_anon, soak_reader to soak_login;

create schema soak;

create table soak.shelf (id integer primary key, place text not null);
create table soak.fact_upstream (
  id integer primary key,
  shelf_id integer not null references soak.shelf,
  name text not null,
  price numeric(10, 2) not null,
  tags jsonb not null
);
insert into soak.shelf select n, 'place ' || n from generate_series(1, 20) n;
insert into soak.fact_upstream
select n, 1 + n % 20, 'fact ' || n || ' – ü', n * 1.25, jsonb_build_object('n', n, 'list', jsonb_build_array(n, 'x'))
from generate_series(1, 500) n;
create table soak.fact_shadow (like soak.fact_upstream including all);
create table soak.fact_canary (like soak.fact_upstream including all);
create table soak.fact_engine (like soak.fact_upstream including all);
insert into soak.fact_shadow table soak.fact_upstream;
insert into soak.fact_canary table soak.fact_upstream;
insert into soak.fact_engine table soak.fact_upstream;
alter table soak.fact_engine add foreign key (shelf_id) references soak.shelf;

create table soak.changing (id integer primary key, name text not null);
insert into soak.changing select n, 'row ' || n from generate_series(1, 50) n;
create table soak.guarded (id integer primary key);
insert into soak.guarded values (1);

-- Without a key: what is written twice is seen.
create table soak.note (key text not null, body text not null);

create function soak.whoami() returns text language sql stable as $$ select current_user::text $$;

grant usage on schema soak to soak_anon, soak_reader;
grant select on all tables in schema soak to soak_anon, soak_reader;
grant insert, update, delete on soak.note to soak_anon;
analyze;
