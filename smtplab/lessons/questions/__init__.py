"""All questions of the lessons, by id, in the order of a session."""

from smtplab.lessons.question import Question
from smtplab.lessons.questions import course, mail, opening, parts, surroundings

QUESTIONS: dict[str, Question] = {
    question.id: question
    for question in (*opening.QUESTIONS, *mail.QUESTIONS, *course.QUESTIONS, *surroundings.QUESTIONS, *parts.QUESTIONS)
}
