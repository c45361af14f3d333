//! What the council was told of a request, in words and in the unit of each feature.

use crate::report::show::{count, gpus, rough, some_gpus};
use conclave_core::council::features::{Asked, FeatureGroup, FeatureRow};
use conclave_core::state::history::{Counted, DAY_MS, Faded, History};
use conclave_core::state::{Pool, Tenant};
use conclave_core::units::{DurationMs, GpuMilli, TimeMs};

/// Log time began on one.
const DAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// A request that is voted on: what its features are computed from.
pub(super) struct Subject<'a> {
    pub(super) pool: &'a Pool,
    pub(super) asked: Asked<'a>,
    pub(super) now: TimeMs,
}

impl Subject<'_> {
    /// What the feature of `row` says.
    pub(super) fn words(&self, row: &FeatureRow) -> String {
        let words = match row.group {
            FeatureGroup::Request => self.request(row.name),
            FeatureGroup::Urgency => self.urgency(row.name),
            FeatureGroup::Tenant => self.tenant(row.name),
            FeatureGroup::Pool => self.pool(row.name),
            FeatureGroup::Cost => self.cost(row.name),
            FeatureGroup::Time => self.time(row.name),
        };
        words.unwrap_or_else(|| row.meaning.to_owned())
    }

    fn request(&self, name: &str) -> Option<String> {
        let ask = self.asked.ask;
        let replica = ask.replica_gpu_milli().0;
        let (per, per_gpu) = if replica > 0 { ("GPU", replica) } else { ("replica", 1_000) };
        Some(match name {
            "gpus" => format!("asks for {}", some_gpus(ask.total_gpu_milli())),
            "replicas" => format!("asks for {}", number(ask.replicas, "replica")),
            "slice" => match (ask.gpu_count, ask.gpu_milli.0) {
                (0, _) => "wants no GPU".to_owned(),
                (_, 1_000) => "wants whole GPUs".to_owned(),
                (_, milli) => format!("wants {} of a GPU", gpus(GpuMilli(milli))),
            },
            "cpu_per_gpu" => {
                let cpu_milli = ask.cpu_milli.0 * 1_000 / per_gpu;
                let unit = if cpu_milli == 1_000 { "CPU" } else { "CPUs" };
                format!("wants {} {unit} per {per}", gpus(GpuMilli(cpu_milli)))
            }
            "memory_per_gpu" => {
                format!("wants {} MiB per {per}", ask.memory_mib.0 * 1_000 / per_gpu)
            }
            "duration" => format!("expects to run {}", rough(ask.expected_duration_ms)),
            _ => return None,
        })
    }

    fn urgency(&self, name: &str) -> Option<String> {
        let Asked { ask, attempt, arrived_at_ms } = self.asked;
        Some(match name {
            "priority" => format!("priority {} of 10", ask.priority),
            "preemptible" if ask.preemptible => "may be interrupted".to_owned(),
            "preemptible" => "may not be interrupted".to_owned(),
            "attempt" => format!("{} before this one", number(attempt - 1, "vote")),
            "age" => format!("asked {} ago", rough(self.now.since(arrived_at_ms))),
            "has_deadline" | "slack" => match ask.deadline_ms {
                Some(deadline) => format!("{} until its deadline", rough(deadline.since(self.now))),
                None => "no deadline".to_owned(),
            },
            _ => return None,
        })
    }

    fn tenant(&self, name: &str) -> Option<String> {
        let Some(tenant) = self.pool.tenants.get(&self.asked.ask.tenant) else {
            return Some("nothing is known of its tenant".to_owned());
        };
        let Tenant { quota, used_gpu_milli, running_count, .. } = tenant;
        let used = gpus(*used_gpu_milli);
        let history = tenant.history.at(self.now);
        Some(match name {
            "limit_used" => {
                format!("its tenant holds {used} of at most {}", some_gpus(quota.limit_gpu_milli))
            }
            "guarantee_used" => {
                let promised = some_gpus(quota.guarantee_gpu_milli);
                format!("its tenant holds {used} of {promised} promised to it")
            }
            "waiting" => {
                format!("its tenant has {} waiting", number(tenant.queued_count(), "request"))
            }
            "running" => format!("its tenant has {} running", number(*running_count, "lease")),
            "asks" => {
                format!("its tenant asked {} times lately", faded(history.count(Counted::Asked)))
            }
            "known" | "failed" | "stopped" | "expired" | "held_by_expected" | "utilisation" => {
                past(name, &history)
            }
            _ => return None,
        })
    }

    fn pool(&self, name: &str) -> Option<String> {
        let (pool, ask) = (self.pool, self.asked.ask);
        let all = some_gpus(pool.accepting_gpu_milli());
        Some(match name {
            "free" => format!("{} of {all} are free", gpus(pool.free_gpu_milli())),
            "free_acceptable" => {
                let models = if ask.gpu_count == 0 { &[][..] } else { &ask.gpu_models };
                let among = pool.fleet.gpus_accepting_among(models);
                let free = GpuMilli(among.total_milli.0 - among.used_milli.0);
                format!("{} of {} that would do are free", gpus(free), some_gpus(among.total_milli))
            }
            "queue" => {
                let waiting = pool.queue.len();
                format!("{} in the pool's queue", number(waiting, "request"))
            }
            "held_for_others" => {
                format!(
                    "{} of {all} are promised to others",
                    gpus(pool.held_for_others(&ask.tenant))
                )
            }
            _ => return None,
        })
    }

    fn cost(&self, name: &str) -> Option<String> {
        let (pool, ask) = (self.pool, self.asked.ask);
        let wanted = ask.total_gpu_milli().0;
        Some(match name {
            "pool_time" => match pool.accepting_gpu_milli().0 {
                0 => "no GPU of the pool accepts work".to_owned(),
                all => {
                    let span = DurationMs(wanted * ask.expected_duration_ms.0 / all);
                    format!("takes as much as all GPUs of the pool for {}", rough(span))
                }
            },
            "headroom" => {
                let tenant = pool.tenants.get(&ask.tenant);
                let limit = tenant.map_or(0, |tenant| tenant.quota.limit_gpu_milli.0);
                let left = limit - tenant.map_or(0, |tenant| tenant.used_gpu_milli.0) - wanted;
                let limit = some_gpus(GpuMilli(limit));
                if left < 0 {
                    format!("goes {} beyond its tenant's {limit}", gpus(GpuMilli(-left)))
                } else {
                    format!("leaves {} of its tenant's {limit}", gpus(GpuMilli(left)))
                }
            }
            _ => return None,
        })
    }

    fn time(&self, name: &str) -> Option<String> {
        let (day, ms) = (self.now.0.div_euclid(DAY_MS.0), self.now.0.rem_euclid(DAY_MS.0));
        Some(match name {
            "day" => format!("it is {:02}:{:02} UTC", ms / 3_600_000, ms / 60_000 % 60),
            "week" => {
                let weekday = usize::try_from(day.rem_euclid(7)).expect("one of seven");
                format!("it is a {}", DAYS[weekday])
            }
            "is_outcome" => "it is a request".to_owned(),
            _ => return None,
        })
    }
}

/// What became of a tenant's leases.
fn past(name: &str, history: &History) -> String {
    let ended = history.ended();
    if ended.0 == 0 {
        return "none of its tenant's leases ended lately".to_owned();
    }
    let of_ended = |way, what: &str| {
        let (part, all) = (faded(history.count(way)), faded(ended));
        format!("{part} of its tenant's last {all} leases {what}")
    };
    let measured = history.count(Counted::Measured).0;
    match name {
        "failed" => of_ended(Counted::Failed, "failed"),
        "stopped" => of_ended(Counted::Stopped, "were stopped"),
        "expired" => of_ended(Counted::Expired, "ran into their timer"),
        "held_by_expected" => {
            let (held, expected) = (history.held().0, history.expected().0);
            let percent = i128::from(held) * 100 / i128::from(expected.max(1));
            format!("its tenant's leases held {percent} % of the GPU time they had expected")
        }
        "utilisation" if measured > 0 => {
            let mean_bp = history.utilisation_sum_bp().0 / measured;
            format!("its tenant's GPUs were {} % used", mean_bp / 100)
        }
        "utilisation" => "nobody said how its tenant's GPUs were used".to_owned(),
        _ => format!("{} of its tenant's leases ended lately", faded(ended)),
    }
}

/// A count that fades, with one decimal where it has faded.
fn faded(count: Faded) -> String {
    let tenths = (i128::from(count.0) * 10 + i128::from(Faded::ONCE / 2)) / i128::from(Faded::ONCE);
    let text = format!("{}.{}", tenths / 10, tenths % 10);
    text.trim_end_matches(".0").to_owned()
}

fn number(number: i64, of: &str) -> String {
    count(u64::try_from(number).unwrap_or(0), of)
}
