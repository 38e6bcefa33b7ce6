-- One table for each mode: rows up to 100 never change, what clients write has a key of its own.
create role chaos_anon nologin;
create role chaos_upstream login noinherit;
create role chaos_engine login noinherit;
grant chaos_anon to chaos_upstream, chaos_engine;

create schema chaos;

create table chaos.in_upstream (id integer, name text not null, filler text);
insert into chaos.in_upstream select n, 'row ' || n, null from generate_series(1, 100) n;
insert into chaos.in_upstream values (0, 'large', repeat('abcdefgh', 500000));
insert into chaos.in_upstream values (-1, 'more than fits into one part', repeat('abcdefgh', 25000));
create table chaos.in_shadow as table chaos.in_upstream;
create table chaos.in_canary as table chaos.in_upstream;
create table chaos.in_engine as table chaos.in_upstream;
create table chaos.in_rehearse as table chaos.in_upstream;

grant usage on schema chaos to chaos_anon;
grant select, insert on all tables in schema chaos to chaos_anon;
analyze;
