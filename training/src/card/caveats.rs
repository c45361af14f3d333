//! What the numbers of the card do not say.

pub(super) const CAVEATS: &str = "\
## What this does not show

- **Everything was let in.** No trace holds a request that was denied, so what denying does is \
known in replays alone. They take every job as it was: nobody asks for less, asks again or goes \
elsewhere because the council said no.
- **The simulator is made up.** That a tenant's past foretells its future is built into it, and so \
is how little: in its careless mood a tenant's work fails two to six times of ten, so whoever knew \
the moods and denied all careless work would deny more good work than bad. Good figures there say \
that a network can learn such a thing, not that people are like that. Utilisation is known there \
alone. Fairness is no counterfactual: it looks at who waited, not at who would not have.
- **Little bad work.** In the last part of openb a few tasks fail, and of GenTD26 one request in \
sixty: their rows of decisions say little about what the council is worth.
- **Proxies.** GenTD26 names no GPUs: a request is one whole GPU, and what its sender could have \
expected is made of steps and images; requests whose end nobody saw are left out. openb names no \
tenants: tasks of one shape and class of service are taken for one tenant; one node of a hundred \
is taken and arrivals are brought closer, tenth by tenth, until things wait; who waits longer than \
it expects to take, and at least half an hour, gives up, and says so when it asks; so the waits \
are those of conclave's queue and not the trace's; run times are cut at a day, and what was \
expected is the run time rounded up to what people ask for, so it knows more than a sender would.
- **openb changes.** Its load falls together between the cuts and rises after: confidence that is \
fitted there is wrong later, and no method that sees only the past could know.
- `attempt` and `age` are hidden from all members: whoever learns with nobody in the seat sees \
first votes only.
- What still ran when a story ended has no label where the end of the work says it: long work is \
seen less often than it is asked for.
- This is no frozen test. Nothing is fitted to the later parts of the sources and the other \
fleets, but tables like these were looked at some eleven times while it was made up what utility \
is, how much good work has to start, what a loss counts, and what a member learns from. A last \
word needs traces, and a simulator, that nobody looked at.
- No other recurrent network stands beside it. What it is worth to be told the elapsed time: \
`docs/training.md`.
- Same seed, same processor type: the same bytes. Elsewhere the mathematical library may round \
otherwise.
";
