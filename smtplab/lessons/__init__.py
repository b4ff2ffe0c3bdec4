"""The lessons' questions, asked and answered from whatever capture is loaded, and the stage on which answers light up."""

from smtplab.lessons.asking import ask, predict
from smtplab.lessons.broken import broken
from smtplab.lessons.checking import Verdict, check, current, example, use
from smtplab.lessons.question import Question
from smtplab.lessons.questions import QUESTIONS
from smtplab.lessons.stage import choose, say, stage

__all__ = [
    "QUESTIONS",
    "Question",
    "Verdict",
    "ask",
    "broken",
    "check",
    "choose",
    "current",
    "example",
    "predict",
    "say",
    "stage",
    "use",
]
