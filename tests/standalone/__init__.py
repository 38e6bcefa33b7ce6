"""``understudy engine`` as its operators meet it: a process of its own, over a database of its own."""
