"""What a browser is told to keep to on the console's pages."""

from collections.abc import Mapping


def make_page_headers(nonce: str) -> Mapping[str, str]:
    """The headers of a page whose one script carries ``nonce``.

    Nothing is loaded from elsewhere, nothing inline runs, nothing is made to markup by a script, and no other
    page may frame this one.
    """
    policy = (
        *("default-src 'none'", f"script-src 'nonce-{nonce}'", "style-src 'self'", "img-src 'self'"),
        *("connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
        *("require-trusted-types-for 'script'", "trusted-types 'none'"),
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Vary": "Accept",
    }
