"""All questions of the lessons, by id, in the order of a session."""

from smtplab.lessons.question import Question
from smtplab.lessons.questions import course, mail, opening, parts, surroundings, way

QUESTIONS: dict[str, Question] = {
    question.id: question
    for module in (opening, mail, course, surroundings, parts, way)
    for question in module.QUESTIONS
}
