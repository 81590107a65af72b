"""The question layer: what is asked of a model, the same for the command line and for HTTP.

A request says a prompt, what is changed while it runs, and the options of one analysis. Each
question is one module with one function, `answer(session, job, request)`: prompt to ids, positions
and edits, the baseline and the edited run, their comparison, as a public result. `limits.check`
says what is too large before anything is spent on it; `table.QUESTIONS` lists them all.

Knows the session and the analyses; knows no HTTP and no terminal.
"""
