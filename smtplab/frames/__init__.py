"""Columns to pandas, lazily: `Capture`, `Session` and the frames of `smtplab.schema`."""
