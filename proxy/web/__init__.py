"""The console: what operators read and do in a browser, on the admin port.

Pages are values, and what is shown of them are pure functions; only ``handlers`` talks to anybody.

values         pages, and what is on them
gather         pages from what is known
configuration  the configuration in force, without secrets
picture        small pictures, as SVG
render         a page as HTML or JSON
forms          what operators send, and the token by which it is known that they did
security       what a browser is told to keep to
handlers       the routes
templates/, static/   HTML, style sheet, script
"""
