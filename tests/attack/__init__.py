"""What an attacker would try, against real parts: a proxy on a socket, an engine on a PostgreSQL."""
