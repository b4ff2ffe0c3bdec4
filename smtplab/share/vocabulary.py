"""The words that may stay in an anonymised capture: SMTP's own, and those in which servers commonly answer.

All in lower case, and the parts of compound ones by themselves, for `words` tells words apart at their hyphens. `PROTOCOL` stays
wherever SMTP has a place for it: without it the dialogue could not be read. `REPLY` and `MIME` stay in replies and in MIME's header
fields, unless the addresses, names or subjects of what is exported hold the same word.
"""

from __future__ import annotations

from smtplab.smtp import verbs


def _words(text: str) -> frozenset[bytes]:
    words = {word.encode() for word in text.split()}
    return frozenset(words | {part for word in words for part in word.replace(b"_", b"-").split(b"-")})


SPOKEN = frozenset(verb.lower().encode() for verb in verbs.SPOKEN)  # the verbs themselves: `x` alone is none
VERBS = _words(" ".join(verbs.SPOKEN).lower())
EHLO_KEYWORDS = _words(
    "8bitmime atrn auth binarymime burl checkpoint chunking conneg conperm dane deliverby dsn enhancedstatuscodes"
    " etrn expn future futurerelease help limits mt-priority no-soliciting onex pipelining prdr requiretls rrvs rset"
    " saml send size smtputf8 soml starttls submitter turn utf8smtp vrfy xclient xforward x-exps x-anonymoustls"
    " xexch50 x-link2state verb noop mail rcpt data"
)
MECHANISMS = _words(
    "plain login cram-md5 digest-md5 scram-sha-1 scram-sha-1-plus scram-sha-256 scram-sha-256-plus scram-sha-512"
    " xoauth2 oauthbearer ntlm gssapi gss-spnego external anonymous otp kerberos_v4 skey securid"
    " ecdsa-nist256p-challenge"
)
PARAMETERS = _words(
    "size body ret envid notify orcpt smtputf8 auth by holdfor holduntil mt-priority requiretls rrvs submitter prdr"
    " xverp mtrk addr name port proto helo login destaddr destport source ident reverse_name reverse-name conperm"
    " solicit alt-address trans"
)
VALUES = _words(
    "7bit 8bitmime binarymime full hdrs never success failure delay rfc822 utf 8 last smtp esmtp lmtp unavailable"
    " tempunavail tcp4 tcp6 unknown proxy"
)
REPLY_ALWAYS = _words("smtp esmtp lmtp esmtps")
HEADER_NAMES = _words(
    "arc-authentication-results arc-message-signature arc-seal authentication-results auto-submitted bcc cc comments"
    " content-description content-disposition content-id content-language content-location content-transfer-encoding"
    " content-type date delivered-to disposition-notification-to dkim-signature errors-to from importance in-reply-to"
    " keywords list-archive list-help list-id list-owner list-post list-subscribe list-unsubscribe message-id"
    " mime-version organization original-recipient precedence priority received received-spf references reply-to"
    " resent-cc resent-date resent-from resent-message-id resent-to return-path return-receipt-to sender subject to"
    " user-agent x-mailer x-originating-ip x-priority x-spam-flag x-spam-level x-spam-score x-spam-status action"
    " arrival-date diagnostic-code final-recipient last-attempt-date original-envelope-id remote-mta reporting-mta"
    " status will-retry-until received-from-mta dsn-gateway"
)
PROTOCOL = VERBS | EHLO_KEYWORDS | MECHANISMS | PARAMETERS | VALUES | REPLY_ALWAYS | HEADER_NAMES | {b"from", b"to"}
MIME = _words(
    "7bit 8bit 8859 alternative application ascii attachment attribution base64 binary boundary calendar charset"
    " delivery digest delsp disposition external filename flowed format gif html image inline iso jpeg message micalg"
    " mixed multipart name notification octet original-message parallel partial pdf plain png printable protocol"
    " quoted related report rfc822 signature signed status stream text type us utf windows x zip 1 8 0 15 1252"
)
REPLY = _words(
    "a able abort aborted accept accepted accepting access account action added address addresses administrative"
    " again all allowed already an and any are as at attempt auth authenticate authenticated authentication available"
    " bad banned bare be been before begin blacklisted blocked body but by bye bytes can cannot challenge change chars"
    " chunk chunks client close closed closing code command commands completed configured configuration connect"
    " connected connection connections content could credentials currently data delivered delivery deliver denied did"
    " disabled disconnect discarded do does domain done dot duplicate eh email empty enable enabled encryption end"
    " endless enhanced enough enter error errors esmtp exceeded exceeds exim exist expected expired failed failure"
    " feeds file find first fixed flush follow following for format forward found friend from full go goodbye got"
    " great greylisted greylisting greeting had has hello help helo here hi host hostname hosts id idle if illegal"
    " immediately implemented in incorrect info input insufficient internal into invalid is issue it job known large"
    " last later length less limit limits line lines local lmtp log login long lookup lost mail mailbox mailboxes many"
    " maximum me mechanism message messages minute minutes missing more must name need nested network new no nested"
    " none not nothing now number of off ok okay on one only open operation or order out over parameter parameters"
    " parse password path pause per permanent permanently permitted please pleased policy postfix postgrey problem"
    " processing protocol provide quarantined queue queued quit quota rate ready reason receive received recipient"
    " recipients recognized recognised refused reject rejected relay relaying repeat request requested require"
    " required requires reset resources response restricted result retry return roger route same say second seconds"
    " see seems send sender sent sequence server service session sessions shutdown shutting size skip slow smtp sorry"
    " spam specified start starting started state status stopped storage store submission submit succeeded successful"
    " successfully such support supported suspended syntax system table temporarily temporary than that the then there"
    " this through time timed timeout tls to too transaction transmission transport try type unable unavailable"
    " unimplemented unknown unrecognized unrecognised unsupported until unverified up usage use user username users"
    " using valid verify verified via virtual wait waiting was we welcome what when while will with without would"
    " wrong yes yet you your yourself"
)
