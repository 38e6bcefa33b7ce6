#!/bin/sh
# The role that PostgREST and Understudy log in as. Its password comes from the environment.
set -eu
psql --set=ON_ERROR_STOP=1 --no-psqlrc --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
  --set=password="$AUTHENTICATOR_PASSWORD" <<'SQL'
create role authenticator login noinherit password :'password';
grant visitor, keeper to authenticator;
SQL
