//! A small accounting of Slurm, written by hand.

/// What `sacct -P` would print: an array, a heterogeneous job, a requeued job, steps, jobs without
/// GPUs, every state, two forms of time limits.
pub(crate) const SACCT: &str = include_str!("sacct.txt");

/// What `sacctmgr -P show assoc` would print.
pub(crate) const ACCOUNTS: &str = include_str!("accounts.txt");

/// The header of an export of slurmdbd's job table, as far as it is read.
pub(crate) const SLURMDBD: &str = "id_job,id_user,state,timelimit,time_submit,time_eligible,\
    time_start,time_end,tres_req,tres_alloc,nodes_alloc,nodelist,partition\n";
