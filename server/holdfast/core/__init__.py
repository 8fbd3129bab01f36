"""The rules of Holdfast, pure: no I/O, no clock, no randomness, no asyncio.

Ten minutes, in this order: `interrupts` (the table of all that may become of a question), `decisions` (what an answer
does), `turns` (the table of a turn's life), `commit` (what becomes true together). The rest, by what it is about:

    the whole       commit, records, errors, identity, ids, canonical, schemas, durations, visible
    conversation    session, conversation, messages, events, folding, documents
    between turns   modes, arriving, branches, takeover
    turns           turns, operations, ending, racing, reopening, manifests
    questions       interrupts, asking, forms, gates, decisions, telling
    who answers     voting, claiming, people, deputies, absences
    rules           policies, policy_text, matching, conditions, approval, standing, grants, budgets, unseen
    time            deadlines, ladders, escalation, schedules
    outside         notices, board
    the trail       audit, entries, chain, verifying, exporting
    looking back    traces, feedback, sampling, reviews, reporting
"""
