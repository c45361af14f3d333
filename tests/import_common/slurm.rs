//! A small accounting of Slurm, written by hand.

/// What `sacct -P` would print: an array, a heterogeneous job, a requeued job, steps, jobs without
/// GPUs, every state, two forms of time limits.
pub(crate) const SACCT: &str = "\
JobID|User|Account|Partition|QOS|State|Submit|Eligible|Start|End|Timelimit|NNodes|NodeList|ReqTRES|AllocTRES
10|ada|vision|gpu|normal|COMPLETED|2024-03-01T08:00:00|2024-03-01T08:00:00|2024-03-01T08:00:10|2024-03-01T09:00:10|02:00:00|1|gpu01|billing=8,cpu=8,gres/gpu:a100=4,mem=64G,node=1|billing=8,cpu=8,gres/gpu=4,gres/gpu:a100=4,mem=64G,node=1
10.batch||vision||||2024-03-01T08:00:10|2024-03-01T08:00:10|2024-03-01T08:00:10|2024-03-01T09:00:10||1|gpu01||cpu=8,gres/gpu=4
11_1|bob|speech|gpu|normal|FAILED|2024-03-01T08:05:00|2024-03-01T08:06:00|2024-03-01T08:07:00|2024-03-01T08:17:00|1-00:00:00|1|gpu02|cpu=4,gres/gpu=2|cpu=4,gres/gpu=2
11_2|bob|speech|gpu|normal|CANCELLED by 1001|2024-03-01T08:05:00|2024-03-01T08:06:00|2024-03-01T08:07:00|2024-03-01T08:27:00|1-00:00:00|1|gpu02|cpu=4,gres/gpu=2|cpu=4,gres/gpu=2
11_[3-9]|bob|speech|gpu|normal|PENDING|2024-03-01T08:05:00|Unknown|Unknown|Unknown|1-00:00:00|1|None assigned|cpu=4,gres/gpu=2|
12|ada|vision|gpu|high|CANCELLED by 1000|2024-03-01T08:10:00|2024-03-01T08:10:00|None|2024-03-01T08:11:00|01:00:00|1|None assigned|cpu=4,gres/gpu=1|
13+0|eve|speech|gpu|normal|TIMEOUT|2024-03-01T08:20:00|2024-03-01T08:20:00|2024-03-01T08:20:05|2024-03-01T08:51:05|00:30:00|2|gpu[03-04]|cpu=16,gres/gpu=8|cpu=16,gres/gpu=8
13+1|eve|speech|cpu|normal|TIMEOUT|2024-03-01T08:20:00|2024-03-01T08:20:00|2024-03-01T08:20:05|2024-03-01T08:51:05|00:30:00|1|cpu07|cpu=64|cpu=64
14|ada|vision|gpu|normal|NODE_FAIL|2024-03-01T09:00:00|2024-03-01T09:00:00|2024-03-01T09:30:00|2024-03-01T09:40:00|UNLIMITED|1|gpu01|cpu=8,gres/gpu=8|cpu=8,gres/gpu=8,gres/gpu:a100=8
14|ada|vision|gpu|normal|PREEMPTED|2024-03-01T09:00:00|2024-03-01T09:45:00|2024-03-01T09:50:00|2024-03-01T10:00:00|UNLIMITED|1|gpu01|cpu=8,gres/gpu=8|cpu=8,gres/gpu=8,gres/gpu:a100=8
14|ada|vision|gpu|normal|COMPLETED|2024-03-01T09:00:00|2024-03-01T10:05:00|2024-03-01T10:06:00|2024-03-01T10:36:00|UNLIMITED|1|gpu01|cpu=8,gres/gpu=8|cpu=8,gres/gpu=8,gres/gpu:a100=8
15|bob|speech|gpu|normal|OUT_OF_MEMORY|2024-03-01T09:10:00|2024-03-01T09:10:00|2024-03-01T09:10:00|2024-03-01T09:10:00|01:00:00|1|gpu02|gres/gpu:v100=1,gres/gpu:a100=1|gres/gpu=2
16|bob|speech|gpu|normal|RUNNING|2024-03-01T09:20:00|2024-03-01T09:20:00|2024-03-01T09:21:00|Unknown|01:00:00|1|gpu02|gres/gpu=1|gres/gpu=1
17|ada|vision|cpu|normal|COMPLETED|2024-03-01T09:20:00|2024-03-01T09:20:00|2024-03-01T09:21:00|2024-03-01T09:31:00|01:00:00|1|cpu01|cpu=2|cpu=2
";

/// What `sacctmgr -P show assoc` would print.
pub(crate) const ACCOUNTS: &str = "\
Account|ParentName|User|GrpTRES|MaxTRES
root||||
lab|root||gres/gpu=24|
vision|lab||cpu=100,gres/gpu=8|
speech|lab||cpu=100|gres/gpu=4
vision||ada||gres/gpu=2
other|root||gres/gpu=99|
";

/// The header of an export of slurmdbd's job table, as far as it is read.
pub(crate) const SLURMDBD: &str = "id_job,id_user,state,timelimit,time_submit,time_eligible,\
    time_start,time_end,tres_req,tres_alloc,nodes_alloc,nodelist,partition\n";
