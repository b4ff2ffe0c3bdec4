"""AUTH as data: who a client says it is, by mechanism, and what of an exchange may be shown (RFC 4954).

Nothing here judges a secret or keeps one: of each mechanism's message only the part that names someone is taken, and
where a message does not have the form that its mechanism prescribes, nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from smtplab.printable import printable
from smtplab.smtp.credentials import decoded

CANCEL = b"*"  # RFC 4954 4: a client's line that ends the exchange
EMPTY = b"="  # RFC 4954 4: an initial response that is there and empty
STAR = ord("*")  # stands for each octet of a secret


def mask(text: bytes) -> bytes:
    """What stands in a frame for an initial response or a response: one `*` an octet; a lone `=` or `*` is no secret.

    >>> mask(b"AGFsaWNlAHNlY3JldA=="), mask(b"="), mask(b"*"), mask(b"")
    (b'********************', b'=', b'*', b'')
    """
    return bytes([STAR]) * len(text) if is_secret(text) else text


def is_secret(text: bytes) -> bool:
    """Whether an initial response or a response may not be shown: all but a lone `=` or `*`."""
    return text not in (EMPTY, CANCEL)


def identity(
    mechanism: str,
    initial: bytes | None,
    responses: Sequence[bytes],
    challenges: Sequence[bytes] = (),
) -> str | None:
    r"""Who the client said it was; None where the mechanism does not say so in clear, or the messages lack its form.

    `initial` is the AUTH line's second argument as sent (None where it had none), `responses` the client's further
    lines, `challenges` the texts of the 334 replies that they answer, one each; all as on the wire, base64. Where
    a message names two, the one whose secret is proved is given (authcid), not the one to act as (authzid).

    >>> identity("PLAIN", b"AGFsaWNlAHNlY3JldA==", [])
    'alice'
    """
    name = mechanism.upper()
    if name == "LOGIN":
        return _shown(_login(initial, responses, challenges))
    read = _READERS.get(name) or next((r for prefix, r in _FAMILIES if name.startswith(prefix)), None)
    if read is None:
        return None
    return _shown(next((found for message in _messages(initial, responses) if (found := read(message))), None))


def _shown(name: bytes | None) -> str | None:
    """A name fit to be shown, in one line; an empty one names nobody."""
    return printable(name).replace("\n", "\\x0a") if name else None


def _messages(initial: bytes | None, responses: Iterable[bytes]) -> list[bytes]:
    """The client's messages decoded, up to a cancel; what is no base64 stands as an empty one, which has no form."""
    messages = [] if initial is None else [decoded(initial)]
    for line in responses:
        if line == CANCEL:
            break
        messages.append(decoded(line))
    return messages


def _login(initial: bytes | None, responses: Sequence[bytes], challenges: Sequence[bytes]) -> bytes | None:
    """LOGIN (draft-murchison-sasl-login): the user name is asked for first, or comes as initial response.

    Prompts are free text. An answer to one that speaks of a password is never taken, and no answer but the first
    without a prompt that speaks of a user.
    """
    if initial is not None and initial != EMPTY:
        return decoded(initial)
    for number, line in enumerate(responses):
        if line == CANCEL:
            return None
        prompt = (decoded(challenges[number]) or challenges[number]).lower() if number < len(challenges) else b""
        if b"pass" not in prompt and (number == 0 or b"user" in prompt):
            return decoded(line)
    return None


def _plain(message: bytes) -> bytes | None:
    """RFC 4616 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd."""
    parts = message.split(b"\0")
    return parts[1] or parts[0] if len(parts) == 3 else None


_CRAM = re.compile(rb"(.+) [0-9A-Fa-f]{32,128}", re.DOTALL)  # hex of MD5 up to SHA-512


def _cram(message: bytes) -> bytes | None:
    """RFC 2195 2: the user name, a space, and the digest in hexadecimal digits."""
    found = _CRAM.fullmatch(message)
    return found[1] if found else None


# RFC 2831 2.1.2 and 7.1:
#   digest-response = 1#( username | realm | nonce | ... )      username = "username" "=" <"> username-value <">
#   quoted-string = ( <"> qdstr-val <"> )      qdstr-val = *( qdtext | quoted-pair )
_DIRECTIVE = re.compile(rb'[,\s]*+([A-Za-z0-9-]++)\s*+=\s*+(?:"((?:[^"\\]++|\\.)*+)"|([^",\s]*+))', re.DOTALL)


def _digest(message: bytes) -> bytes | None:
    """RFC 2831 2.1.2: the directive `username`, in UTF-8 where `charset=utf-8` says so, else in ISO 8859-1."""
    directives: dict[bytes, bytes] = {}
    at = 0
    while found := _DIRECTIVE.match(message, at):
        directives.setdefault(found[1].lower(), re.sub(rb"\\(.)", rb"\1", found[2] or found[3] or b"", flags=re.DOTALL))
        at = found.end()
    name = directives.get(b"username")
    if name is not None and directives.get(b"charset", b"").lower() != b"utf-8":
        return name.decode("latin-1").encode()
    return name


def _saslname(text: bytes) -> bytes:
    """RFC 5802 5.1: `=2C` stands for a comma, `=3D` for an equals sign."""
    return text.replace(b"=2C", b",").replace(b"=3D", b"=")


def _scram(message: bytes) -> bytes | None:
    """RFC 5802 7: client-first-message = gs2-cbind-flag "," [authzid] "," [reserved-mext ","] username "," nonce ..."""
    parts = message.split(b",")
    if len(parts) < 4 or not re.fullmatch(rb"[ny]|p=[A-Za-z0-9.-]+", parts[0]):
        return None
    return next((_saslname(part[2:]) for part in parts[2:] if part[:2] == b"n="), None)


def _oauthbearer(message: bytes) -> bytes | None:
    """RFC 7628 3.1: client-resp = gs2-header kvsep *kvpair kvsep; the user is the header's authzid."""
    parts = message.partition(b"\x01")[0].split(b",")
    if len(parts) == 3 and parts[1][:2] == b"a=" and not parts[2]:
        return _saslname(parts[1][2:])
    return None


def _xoauth2(message: bytes) -> bytes | None:
    """Google, "The SASL XOAUTH2 Mechanism": "user=" {User} "^Aauth=Bearer " {Access Token} "^A^A"."""
    return next((part[5:] for part in message.split(b"\x01") if part[:5] == b"user="), None)


_NTLM = b"NTLMSSP\0"
_NTLM_UNICODE = 1  # MS-NLMP 2.2.2.5: NTLMSSP_NEGOTIATE_UNICODE, texts in UTF-16, little end first


def _ntlm(message: bytes) -> bytes | None:
    r"""MS-NLMP 2.2.1.3, AUTHENTICATE_MESSAGE: DOMAIN\user, domain at 28, user at 36; each a length, a room, an offset.

    All numbers have their little end first. Old messages lack the flags at 60, and their texts may begin there: then
    NULs tell UTF-16. Other texts are in the client's own code page, which it does not name: octets stay as they are.
    """
    if message[:8] != _NTLM or len(message) < 52 or _little(message, 8, 4) != 3:
        return None
    offsets = [_little(message, at + 4, 4) for at in (28, 36) if _little(message, at, 2)]
    raw = [message[_little(message, at + 4, 4) :][: _little(message, at, 2)] for at in (28, 36)]
    if len(message) >= 64 and min(offsets, default=64) >= 64:
        wide = _little(message, 60, 4) & _NTLM_UNICODE != 0
    else:
        wide = b"\0" in raw[1]
    domain, user = (text.decode("utf-16-le", "replace").encode() if wide else text for text in raw)
    return domain + b"\\" + user if domain and user else user


def _little(message: bytes, at: int, size: int) -> int:
    return int.from_bytes(message[at : at + size], "little")


def _whole(message: bytes) -> bytes:
    """RFC 4422 A.1, EXTERNAL: the message is the authzid."""
    return message


_KRB5_WRAP = (
    b"\x05\x04"  # RFC 4121 4.2.6.2: TOK_ID, flags, a filler, EC, RRC, a sequence number: 16 octets, big end first
)
_SEALED = 2
_LAYERS = (1, 2, 4)  # RFC 4752 3.3: none, integrity, confidentiality


def _gssapi(message: bytes) -> bytes | None:
    """RFC 4752 3.1: the last message is a wrapped layer, a maximum of 3 octets, and the authzid: read where it is not sealed.

    Without confidentiality a wrap is (plaintext | checksum of EC octets), rotated right by RRC octets (RFC 4121 4.2.5). The
    authzid may be absent, and the name in the ticket is never in clear.
    """
    if message[:2] != _KRB5_WRAP or len(message) <= 16 or message[2] & _SEALED:
        return None
    checksum, turned = (int.from_bytes(message[at : at + 2], "big") for at in (4, 6))
    body = message[16:]
    turned %= len(body)
    plain = body[turned:] + body[:turned]
    plain = plain[: len(plain) - checksum] if checksum < len(plain) else b""
    return plain[4:] if plain[:1] in [bytes([layer]) for layer in _LAYERS] else None


# ANONYMOUS (RFC 4505) names nobody: its trace text is not who somebody is.
_READERS: dict[str, Callable[[bytes], bytes | None]] = {
    "PLAIN": _plain,
    "DIGEST-MD5": _digest,
    "OAUTHBEARER": _oauthbearer,
    "XOAUTH2": _xoauth2,
    "NTLM": _ntlm,
    "EXTERNAL": _whole,
    "GSSAPI": _gssapi,
}
_FAMILIES: tuple[tuple[str, Callable[[bytes], bytes | None]], ...] = (("CRAM-", _cram), ("SCRAM-", _scram))
