"""One rule, one function, over frames and octets."""

from smtplab.findings.frame import findings

__all__ = ["findings"]
