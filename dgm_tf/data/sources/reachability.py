"""Quick check that servers answer, before a download spends minutes on retries."""

import threading
import time
import urllib.parse


def hosts_of(urls):
    """Returns the distinct hosts among the http(s) addresses in `urls`, each with one of its addresses."""
    split = [(urllib.parse.urlsplit(url), url) for url in urls]
    return {parts.hostname: url for parts, url in split if parts.hostname and parts.scheme in ("http", "https")}


def answering(urls, seconds=5.0):
    """Returns those of `urls` that answer an HTTP HEAD request, through the proxy if one is set.

    All are asked at the same time, and this returns after `seconds` whatever happens. Any answer counts, an
    error status too: it shows that there is a network.
    """
    urls = list(urls)
    answered: list[str] = []
    # Daemon threads: a name server that never answers can hold neither this function nor the program's end.
    threads = [threading.Thread(target=_ask, args=(url, seconds, answered), daemon=True) for url in urls]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [url for url in urls if url in answered]


def _ask(url, seconds, answered):
    import requests  # here, so that importing the package stays quick

    try:
        requests.head(url, timeout=seconds)
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):  # else an answer: the downloader has its own certificates
            return
    except requests.exceptions.RequestException:
        return
    answered.append(url)
