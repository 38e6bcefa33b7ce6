"""The reads that are mirrored: every kind of order, page, embedding and body, with values by chance."""

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from proxy.messages import Headers, Request

Make: TypeAlias = Callable[[Random], str]

HOST = (b"Host", b"verdicts.test")
COUNT = (b"Prefer", b"count=exact")


def _fixed(target: str) -> Make:
    return lambda chance: target


def _by_id(target: str) -> Make:
    return lambda chance: target.format(chance.randint(1, 1000))


def _by_group(target: str) -> Make:
    return lambda chance: target.format(chance.randrange(40))


def _by_page(target: str) -> Make:
    return lambda chance: target.format(25 * chance.randrange(20))


SMALL: tuple[tuple[Make, Headers], ...] = (
    (_by_id("/item?id=eq.{}"), ()),
    (_by_id("/item?id=eq.{}&select=id,name,flag,qty,part(*)&part.order=seq"), ()),
    (_by_id("/item?id=eq.{}"), ((b"Accept", b"application/vnd.pgrst.object+json"),)),
    (_by_group("/item?grp=eq.{}"), ()),
    (_by_group("/item?grp=eq.{}&order=flag,id"), (COUNT,)),
    (_by_group("/item?grp=eq.{}&order=flag&select=id,flag,price"), ()),
    (_by_group("/item?grp=eq.{}&select=name,flag,note"), ()),
    (_by_group("/item?grp=eq.{}&select=id,name,price&order=id"), ((b"Accept", b"text/csv"),)),
    (_by_group("/item?grp=eq.{}&flag=is.true&select=id,part(id,label)"), ()),
    (_by_group("/item?grp=eq.{}&select=id,...part(labels:label)&order=id"), ()),
    (_by_page("/item?order=id&limit=25&offset={}"), (COUNT,)),
    (_by_page("/item?order=grp,id&limit=25&offset={}&select=id,grp,flag,qty"), ()),
    (_by_page("/item?order=grp&limit=25&offset={}&select=id,grp,flag"), ()),
    (_by_page("/item?limit=25&offset={}&select=id,flag"), ()),
    (_by_page("/part?order=item_id,seq&limit=25&offset={}&select=seq,label,item(name,flag)"), ()),
    (_by_id("/part?item_id=eq.{}&order=seq"), ()),
    (_by_id("/part?select=id,label,item!inner(id,flag)&item.id=eq.{}&order=id"), ()),
    (_by_id("/listing?id=gt.{}&order=id.desc&limit=10"), ()),
    (_by_group("/rpc/in_group?wanted={}&select=id,flag,price"), ()),
    (_by_group("/rpc/total?wanted={}"), ()),
    (_by_group("/item?grp=eq.{}&select=id,nothing"), ()),
    (_by_id("/nowhere?id=eq.{}"), ()),
    (_fixed("/secret"), ()),
)
LARGE: tuple[tuple[Make, Headers], ...] = (
    (_fixed("/item?select=id,flag,qty&order=id"), ()),
    (_fixed("/item?flag=is.true&select=id,grp"), (COUNT,)),
)


def draw_read(chance: Random) -> Request:
    """One read; one in fifty reads the whole table, some are HEAD."""
    make, headers = chance.choice(LARGE if chance.random() < 0.02 else SMALL)
    method = "HEAD" if chance.random() < 0.03 else "GET"
    return Request(method, make(chance).encode(), (HOST, *headers))
