"""Questions of the lessons: asked and answered from whatever capture is loaded."""

from smtplab.lessons.asking import ask, predict
from smtplab.lessons.checking import Verdict, check, use
from smtplab.lessons.question import QUESTIONS, Question

__all__ = ["QUESTIONS", "Question", "Verdict", "ask", "check", "predict", "use"]
