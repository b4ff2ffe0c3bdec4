"""What the words, codes and lines of SMTP mean: plain sentences, grammar, reference, and every octet of a line named."""

from smtplab.explain.fields import fields_of
from smtplab.explain.model import Explanation, Field
from smtplab.explain.what import explain

__all__ = ["Explanation", "Field", "explain", "fields_of"]
