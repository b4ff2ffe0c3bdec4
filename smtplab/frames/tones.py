"""The light tones of the phases, band and ink each: one table for pictures and for pages."""

from __future__ import annotations

# In the order of `schema.PHASE`: the colour behind text, and the colour of the phase's written name on it.
LIGHT_TONES = (
    "#f4f4f4 #595959",  # connect
    "#e9e9e9 #525252",  # greeting
    "#d6e8f5 #005a94",  # hello
    "#f3dfee #943a72",  # tls
    "#fbe0d1 #9c4000",  # auth
    "#d3efe6 #00684c",  # mail
    "#dcf0fb #1c668f",  # rcpt
    "#fdeecd #7d5200",  # data
    "#fbf7c9 #666000",  # content
    "#f1eab0 #5c5600",  # end-of-data
    "#ecd9e2 #7a1f50",  # reset
    "#ece5da #5d4a2c",  # other
    "#e0e0e4 #333338",  # quit
    "#f4f4f4 #595959",  # close
)
